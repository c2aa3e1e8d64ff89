"""Drawing text that came from outside. It is data: cleaned of anything a terminal obeys, and never parsed as markup.

Everything the console draws is a ``Content`` put together here from plain strings and style names of our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile

from rich.cells import cell_len, set_cell_size
from textual.content import Content

Part = str | tuple[str, str]

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_NOTHING = (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xFE0E, 0xFE0F)
_TABLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "␡",
    **dict.fromkeys(range(0x80, 0xA0), "�"),
    **dict.fromkeys(_BIDI, "�"),
    **dict.fromkeys((0x2028, 0x2029), "⏎"),
    **dict.fromkeys(range(0xD800, 0xE000), "�"),
    **dict.fromkeys(_NOTHING, ""),
    0x09: "  ",
    0x0A: " ⏎ ",
}
"""C0, C1, bidi and half surrogates become visible pictures; characters without a width would shift a column and go."""


_APART = 5
"""With so many characters at the end of their names a cluster tells the pods of one workload apart."""


def clean(text: str) -> str:
    """One line that is safe to draw."""
    return text.translate(_TABLE)


def clean_lines(text: str) -> list[str]:
    """Several lines, each safe to draw."""
    return [clean(line) for line in text.replace("\r\n", "\n").split("\n")]


def pasteable(text: str) -> str:
    """What goes to the clipboard: it is pasted into a terminal, and nothing in it may end the paste or press a key."""
    return "\n".join("\t".join(map(clean, row.split("\t"))) for row in text.split("\n"))


def cut(text: str, cells: int) -> str:
    """At most ``cells`` wide, ending in … where something was left out. Cleans too."""
    text = clean(text)
    if cells <= 0:
        return ""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1).rstrip() + "…"


_ARTICLES = ("a", "an", "the")


@lru_cache(maxsize=64)
def apart(texts: tuple[str, ...], cells: int) -> Mapping[str, str]:
    """Each at most ``cells`` wide. What would read alike begins with … instead of the words that it has in common."""
    cuts = {text: cut(text, cells) for text in texts}
    for short in set(cuts.values()):
        alike = [text for text in cuts if cuts[text] == short and text != short]
        same = len(_begin([text.split() for text in alike])) if len(alike) > 1 else 0
        rests = _without_articles({text: text.split()[same:] for text in alike})
        if same and cells > 1 and all(rests.values()):
            told = apart(tuple(rests.values()), cells - 1)
            cuts |= {text: "…" + told[rest].removeprefix("…") for text, rest in rests.items()}
    return cuts


def _without_articles(rests: Mapping[str, list[str]]) -> dict[str, str]:
    """An article at the beginning is left out, unless it is what tells them apart."""
    bare = {text: " ".join(words[len(words) > 1 and words[0] in _ARTICLES :]) for text, words in rests.items()}
    if len(set(bare.values())) == len(bare):
        return bare
    return {text: " ".join(words) for text, words in rests.items()}


def _begin(words: Sequence[Sequence[str]]) -> list[str]:
    """What all of them begin with."""
    return [each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*words, strict=False))]


def fit(text: str, cells: int) -> str:
    """Exactly ``cells`` wide."""
    return set_cell_size(cut(text, cells), max(0, cells))


def fit_name(text: str, cells: int) -> str:
    """Exactly ``cells`` wide: of a name among others that begin alike, the end tells it apart.

    ``web-7d9f8c6b5-x2x4z/app`` becomes ``web…-x2x4z/app``. Of ``POD/CONTAINER`` it is the pod's end that counts, to
    which a container of a long name gives way.
    """
    text = clean(text)
    if cell_len(text) <= cells or cells < 2 * _APART:
        return fit(text, cells)
    head, slash, tail = text.rpartition("/")
    if not slash:
        head, tail = text, ""
    last = f"/{cut(tail, cells - 1 - min(cell_len(head), _APART + 2))}" if slash else ""
    room = cells - cell_len(last) - 1
    if cell_len(head) <= room + 1:
        return set_cell_size(head + last, cells)
    end = _end(head, max(room - room // 3, min(_APART, room)))
    return set_cell_size(f"{set_cell_size(head, room - cell_len(end))}…{end}{last}", cells)


def _end(text: str, cells: int) -> str:
    """Its last characters, as many as there is room for."""
    at = len(text)
    while at and cell_len(text[at - 1 :]) <= cells:
        at -= 1
    return text[at:]


def right(text: str, cells: int) -> str:
    """Exactly ``cells`` wide, against the right edge."""
    text = cut(text, cells)
    return " " * max(0, cells - cell_len(text)) + text


def wide(text: str) -> int:
    """How many cells ``text`` takes once cleaned."""
    return cell_len(clean(text))


def line(*parts: Part) -> Content:
    """One line from plain strings and (string, style) pairs. Styles are ours; the strings may be anybody's."""
    return Content.assemble(
        *((clean(part), "") if isinstance(part, str) else (clean(part[0]), part[1]) for part in parts)
    )


def spread(left: Content, end: Content, cells: int) -> Content:
    """``left`` and ``end`` at the two edges of a line; the left one gives way."""
    if end.cell_length + 1 > cells:
        return left.truncate(cells, ellipsis=True)
    room = cells - end.cell_length - 1
    left = left.truncate(room, ellipsis=True)
    return Content.assemble(left, " " * (cells - left.cell_length - end.cell_length), end)


def wrapped(
    text: str, cells: int, style: str = "", first: str = "", rest: str | None = None, *, most: int | None = None
) -> list[Content]:
    """Word-wrapped lines; ``first`` stands before the first, ``rest`` (else as many blanks) before the others.

    Where ``most`` is given, only that many of them: the others are not even looked for.
    """
    rest = " " * cell_len(first) if rest is None else rest
    lines: list[Content] = []
    for paragraph in clean_lines(text):
        words_of_it = paragraph.lstrip(" ")
        indent = " " * min(len(paragraph) - len(words_of_it), 16)  # of a file that is shown: it means something there
        for words in _wrap(words_of_it, max(8, cells - cell_len(first) - len(indent))):
            if most is not None and len(lines) >= most:
                return lines
            lines.append(Content.assemble((rest if lines else first, "$text-muted"), (indent + words, style)))
    return lines


def _wrap(text: str, cells: int) -> Iterable[str]:
    now = ""
    for part in text.split(" "):
        word = part
        while (head := _fitting(word, cells)) != word:
            if now:
                yield now
                now = ""
            head = head.rstrip() or word[0]
            yield head
            word = word[len(head) :]
        if now and cell_len(now) + 1 + cell_len(word) > cells:
            yield now
            now = word
        else:
            now = f"{now} {word}" if now else word
    yield now


def _fitting(word: str, cells: int) -> str:
    """As much of its beginning as fits. The rest is not measured: that took seconds where a word was a megabyte."""
    size = cells
    while size < len(word) and cell_len(word[:size]) <= cells:
        size *= 2
    piece = word[:size]
    return piece if cell_len(piece) <= cells else set_cell_size(piece, cells)


def block(lines: Iterable[Content]) -> Content:
    return Content("\n").join(list(lines))
