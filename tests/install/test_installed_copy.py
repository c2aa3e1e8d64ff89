"""An installed copy has everything.

The wheel and the sdist are built from this tree, and each is installed with pip in an environment of its own. The
wheel's holds nothing but what the project's metadata asks for: the runtime dependencies, and theirs, linked file by
file from the environment the tests run in. No index is asked, so this works offline, and whatever the project uses
without declaring it is missing there. What it does not show is that an index has those packages: the lock file does.
The sdist's holds nothing but what builds it, and comes to the same files with the same metadata.

Commands then run in another folder, with an empty home and nothing of this tree in sight.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.drills.stories import ran, rolled_back

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("src/warroom", "plugins", "styles")
OF_ITS_OWN = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""What pip notes beside a copy: where it came from, and the hashes of what is compared here by itself."""


def call(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None, timeout: float = 120) -> str:
    """Run to success and return what it printed; its whole output is in the failure."""
    done = subprocess.run(
        list(map(str, argv)), cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def clean_tree(to: Path) -> Path:
    """What a release is built from: the tree without what git ignores."""
    listed = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def shipped_files(tree: Path) -> set[str]:
    """The files a copy must hold, as they are named in the wheel."""
    found = {path.relative_to(tree).as_posix() for folder in SHIPPED for path in (tree / folder).rglob("*")}
    files = {name for name in found if (tree / name).is_file()}
    moved = {"src/": "", "plugins/": "", "styles/": "warroom/styles/"}
    return {new + name.removeprefix(old) for name in files for old, new in moved.items() if name.startswith(old)}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def wheel(tree: Path) -> Path:
    return build(tree, "wheel")


@pytest.fixture(scope="module")
def sdist(tree: Path) -> Path:
    return build(tree, "sdist")


def build(tree: Path, kind: str) -> Path:
    call(sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", tree / "dist", tree, cwd=tree)
    (built,) = (tree / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def closure(root: Distribution) -> dict[str, Distribution]:
    """The distribution's dependencies, and theirs, as their metadata declares them for this Python."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[Distribution, set[str]]] = [(root, set())]
    while waiting:
        one, extras = waiting.pop()
        for needed in map(Requirement, one.requires or []):
            key = canonicalize_name(needed.name)
            wanted = needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in ("", *extras))
            if wanted and (key not in found or needed.extras):
                new = key not in found
                found[key] = distribution(key)
                if new or needed.extras:
                    waiting.append((found[key], needed.extras))
    return found


def link(one: Distribution, site: Path) -> None:
    """Also what is compiled: it belongs to its source by the source's time, which a link keeps and a copy too."""
    for file in one.files or []:
        if ".." in file.parts or not (source := Path(str(file.locate())).resolve()).is_file():
            continue  # a script in bin, or something compiled that was never needed
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)


def pip(python: Path, *words: str | Path) -> str:
    options = ("--python", python, "--no-cache-dir", "--disable-pip-version-check")
    return call(sys.executable, "-m", "pip", *options, *words, cwd=ROOT)


def test_the_wheel_and_the_sdist_hold_every_file(tree: Path, wheel: Path, sdist: Path) -> None:
    wanted = shipped_files(tree)
    assert {"warroom/py.typed", "warroom/__init__.py", "warroom_http/__init__.py"} <= wanted
    assert any(name.startswith("warroom/styles/") for name in wanted)
    with zipfile.ZipFile(wheel) as packed:
        held = {name for name in packed.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    assert held == wanted
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    folders = {name for name in names if name.startswith(tuple(f"{folder}/" for folder in SHIPPED))}
    assert len(folders) == len(wanted)
    assert names - folders >= {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"}
    assert {name for name in names - folders if name.startswith((".", "tests", "tools"))} <= {".gitignore"}


def environment(folder: Path) -> tuple[Path, Path]:
    """A new one: its bin folder, and where its packages go."""
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=ROOT)
    (site,) = folder.glob("lib/python*/site-packages")
    return folder / "bin", site


def install(binaries: Path, *words: str | Path) -> None:
    pip(binaries / "python", "install", "--no-index", "--no-deps", *words)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with an installed copy."""
    binaries, site = environment(tmp_path_factory.mktemp("wheel") / "venv")
    install(binaries, wheel)
    (copy,) = Distribution.discover(name="warroom", path=[str(site)])
    for one in closure(copy).values():
        link(one, site)
    return binaries


class Elsewhere:
    """Another folder and an empty home, and the installed ``warroom`` run in them."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.warroom = binaries / "warroom"
        self.folder = folder / "work"
        self.home = folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        self.env = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb"}

    def run(self, *words: str) -> str:
        return call(self.warroom, *words, cwd=self.folder, env=self.env, timeout=60)

    def ran(self, *words: str) -> subprocess.CompletedProcess[str]:
        return ran([str(self.warroom), *words], self.env, self.folder)


@pytest.fixture
def elsewhere(installed: Path, tmp_path: Path) -> Elsewhere:
    return Elsewhere(installed, tmp_path)


def test_the_metadata_asks_for_all_that_is_imported(installed: Path, elsewhere: Elsewhere) -> None:
    """Every module of the copy can be imported there, and none comes from this tree. (Imports that are made late,
    inside functions, are held to the metadata by tests/unit/test_house.py.)
    """
    code = (
        "import importlib, pkgutil, sys, warroom, warroom_http, warroom_lab, warroom_prometheus, warroom_sentry\n"
        "for top in (warroom, warroom_http, warroom_lab, warroom_prometheus, warroom_sentry):\n"
        "    for one in pkgutil.walk_packages(top.__path__, top.__name__ + '.'):\n"
        "        if not one.name.startswith('warroom.testing') and not one.name.endswith('__main__'):\n"
        "            importlib.import_module(one.name)\n"
        "print(*sorted({m.__file__ for n, m in sys.modules.items() if n.startswith('warroom') and m.__file__}))"
    )
    files = call(installed / "python", "-I", "-c", code, cwd=elsewhere.folder, env=elsewhere.env).split()
    assert len(files) > 50
    assert [file for file in files if not file.startswith(str(installed.parent))] == []


def test_pip_finds_nothing_missing(installed: Path) -> None:
    assert "No broken requirements" in pip(installed / "python", "check")


def test_it_says_its_version(elsewhere: Elsewhere) -> None:
    from warroom import __version__

    assert __version__ in elsewhere.run("--version")


def test_its_schema_and_its_starter_agree(elsewhere: Elsewhere) -> None:
    assert json.loads(elsewhere.run("schema"))["type"] == "object"
    elsewhere.run("init")
    assert (elsewhere.folder / "warroom.yaml").stat().st_size > 0
    elsewhere.run("check")


def test_it_holds_each_file_as_it_is_in_the_tree(installed: Path, tree: Path) -> None:
    (site,) = installed.parent.glob("lib/python*/site-packages")
    moved = {"warroom/styles/": "styles/", "warroom/": "src/warroom/", "warroom_": "plugins/warroom_"}
    for name in shipped_files(tree):
        old = next(old for old in moved if name.startswith(old))
        assert (site / name).read_bytes() == (tree / (moved[old] + name.removeprefix(old))).read_bytes()


def test_the_sdist_comes_to_the_same(installed: Path, sdist: Path, tmp_path: Path) -> None:
    """What one of the copies can do, the other can too: they are the same files, and ask for the same."""
    binaries, site = environment(tmp_path / "venv")
    backend = distribution("hatchling")  # it is built where it is installed
    for one in (backend, *closure(backend).values()):
        link(one, site)
    install(binaries, "--no-build-isolation", "--no-compile", sdist)
    (other,) = installed.parent.glob("lib/python*/site-packages")
    of_wheel, of_sdist = held(other), held(site)
    assert of_sdist.keys() == of_wheel.keys()
    assert [str(name) for name, data in of_sdist.items() if of_wheel[name] != data] == []
    assert {"METADATA", "entry_points.txt"} <= {name.name for name in of_sdist}
    assert (binaries / "warroom").stat().st_mode == (installed / "warroom").stat().st_mode


def held(site: Path) -> dict[Path, bytes]:
    """What an installed copy consists of, by the record of its files."""
    (copy,) = Distribution.discover(name="warroom", path=[str(site)])
    files = [Path(str(file)) for file in copy.files or ()]
    own = [name for name in files if ".." not in name.parts and "__pycache__" not in name.parts]
    return {name: (site / name).read_bytes() for name in own if name.name not in OF_ITS_OWN}


@pytest.mark.timeout(300)
def test_it_plays_a_drill_without_a_screen(elsewhere: Elsewhere) -> None:
    """A bad release is rolled back to a proven recovery, by a copy that has nothing but what it asks for."""
    rolled_back(elsewhere.ran, elsewhere.home)
