"""The app's repository: real commits, the same everywhere, and a content identity that the checkout shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from warroom.drills.lab.builder import build
from warroom.drills.lab.releases.base.ai_saas.release import content_digest, read_release
from warroom.drills.lab.repository import Repository
from warroom.errors import BadInput

TAGS = ["v1.0.0-beta.1", "v1.0.0-beta.2", "v1.0.0-beta.3"]


async def subjects(repository: Repository, ref: str) -> list[str]:
    return (await repository.git("log", "--reverse", "--format=%s", ref)).decode().splitlines()


async def test_the_same_commits_are_made_each_time(tmp_path: Path) -> None:
    first, second = await build(tmp_path / "a"), await build(tmp_path / "b")
    assert [tagged.version for tagged in await first.releases()] == TAGS
    assert await first.releases() == await second.releases()
    assert (await first.git("status", "--porcelain")) == b""


async def test_users_own_git_configuration_and_hooks_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[commit]\n gpgsign = true\n[core]\n autocrlf = true\n[user]\n name = X\n")
    plain = await build(tmp_path / "a")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
    assert await (await build(tmp_path / "b")).releases() == await plain.releases()


async def test_the_fault_is_a_commit_of_its_own_with_its_own_migration(tmp_path: Path) -> None:
    repository = await build(tmp_path / "a")
    changed = await repository.diff(TAGS[1], TAGS[2])
    assert changed["migrations_added"] == ["20251007143000_user_locale"]
    assert len(changed["commits"]) == 4
    faulty = next(commit for commit in changed["commits"] if "language" in commit["subject"])
    files = await repository.git("show", "--name-only", "--format=", faulty["commit"])
    assert b"20251007143000_user_locale/migration.sql" in files


async def test_settings_that_come_go_and_change_are_told_by_name_alone(tmp_path: Path) -> None:
    repository = await build(tmp_path / "a")
    changed = await repository.diff(TAGS[1], TAGS[2])
    assert changed["config_added"] == ["LONGEST_MESSAGE"]
    assert changed["config_removed"] == changed["config_changed"] == []
    assert (await repository.diff(TAGS[2], TAGS[1]))["config_removed"] == ["LONGEST_MESSAGE"]
    settings = repository.path / "ai_saas" / "settings.py"
    settings.write_text(settings.read_text().replace('"LONGEST_MESSAGE", "8000"', '"LONGEST_MESSAGE", "9000"'))
    (repository.path / ".env.example").write_text("# a comment\nexport CACHE_URL=redis://:5ecre7@cache\n")
    await repository.git("add", "--all")
    await repository.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=x")
    changed = await repository.diff(TAGS[2], "main")
    assert (changed["config_added"], changed["config_changed"]) == (["CACHE_URL"], ["LONGEST_MESSAGE"])
    assert "5ecre7" not in str(changed)


async def test_the_fault_reverted_leaves_neither_its_code_nor_its_migration(tmp_path: Path) -> None:
    repository = await build(tmp_path / "a", revert_fault=True)
    changed = await repository.diff(TAGS[1], TAGS[2])
    assert changed["migrations_added"] == []
    assert "ai_saas/locales.py" not in [file["path"] for file in changed["files"]]
    assert changed["commits"][0]["subject"] == 'Revert "Greet people in their own language"'


async def test_a_fault_in_the_target_is_beta_2s_own_commit(tmp_path: Path) -> None:
    plain, faulty = await build(tmp_path / "a"), await build(tmp_path / "b", fault_in_target=True)
    extra = "Read an account's whole row"
    assert await subjects(faulty, TAGS[0]) == await subjects(plain, TAGS[0])
    assert set(await subjects(faulty, TAGS[1])) - set(await subjects(plain, TAGS[1])) == {extra}
    # beta.3 takes it back, so what beta.3 is made of is the same with and without it.
    _, one_beta_2, one_beta_3 = await faulty.releases()
    _, other_beta_2, other_beta_3 = await plain.releases()
    assert one_beta_3.digest == other_beta_3.digest
    assert one_beta_2.digest != other_beta_2.digest


async def test_nothing_in_the_app_knows_a_release_or_a_scenario_by_name(tmp_path: Path) -> None:
    repository = await build(tmp_path / "a", fault_in_target=True)
    for ref in TAGS:
        assert await _naming(repository, ref) == []


async def _naming(repository: Repository, ref: str) -> list[str]:
    listed = (await repository.git("ls-tree", "-r", "--name-only", ref, "ai_saas/", "prisma/")).decode().split()
    hits = []
    for path in listed:
        text = (await repository.git("show", f"{ref}:{path}")).decode().lower()
        hits += [path for word in ("beta", "scenario", "drill", "fault_") if word in text]
    return hits


async def test_a_checkout_says_what_it_is(tmp_path: Path) -> None:
    repository = await build(tmp_path / "a")
    for tagged in await repository.releases():
        folder = tmp_path / tagged.version
        await repository.check_out(tagged.commit, folder)
        release = read_release(folder)
        assert (release.version, release.commit, release.digest) == (tagged.version, tagged.commit, tagged.digest)
    untagged = (await repository.git("rev-parse", f"{TAGS[2]}~1")).decode().strip()
    await repository.check_out(untagged, tmp_path / "untagged")
    assert read_release(tmp_path / "untagged").version == untagged[:12]


@pytest.mark.parametrize("change", ["edit", "add", "remove", "mode"])
async def test_a_changed_checkout_has_another_digest(tmp_path: Path, change: str) -> None:
    repository = await build(tmp_path / "a")
    folder = tmp_path / "b"
    await repository.check_out(await repository.resolve(TAGS[0]), folder)
    before = content_digest(folder)
    path = folder / "ai_saas" / "users.py"
    if change == "edit":
        path.write_text(path.read_text() + "\n")
    elif change == "add":
        (folder / "ai_saas" / "more.py").touch()
    elif change == "remove":
        path.unlink()
    else:
        path.chmod(0o755)
    assert content_digest(folder) != before


@pytest.mark.parametrize(
    "ref", ["", "-x", "--all", "v9", "HEAD..main", "a b", "v1.0.0-beta.2;id", "x" * 200, "..", "é"]
)
async def test_a_ref_that_is_none_is_refused(tmp_path: Path, ref: str) -> None:
    repository = await build(tmp_path / "a")
    with pytest.raises(BadInput):
        await repository.resolve(ref)


async def test_migrations_come_in_order_with_their_checksums(tmp_path: Path) -> None:
    repository = await build(tmp_path / "a")
    migrations = await repository.migrations(TAGS[2])
    assert [migration.name for migration in migrations] == [
        "20250804090000_init",
        "20250902101500_conversation_order",
        "20251007143000_user_locale",
    ]
    assert len({migration.checksum for migration in migrations}) == 3
