"""Texts: normalized for comparison, shortened for messages, made harmless for Markdown, laid out in tables."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

WIDTH = 100  # letters of a wrapped line
SCRIPTS = (
    "arabic", "armenian", "bengali", "cyrillic", "devanagari", "ethiopic", "georgian", "greek", "gujarati", "han",
    "hangul", "hebrew", "hiragana", "katakana", "khmer", "lao", "latin", "malayalam", "myanmar", "sinhala", "tamil",
    "telugu", "thai", "tibetan",
)  # fmt: skip
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&#])")
_LIST_MARKER = re.compile(r"(?<!\S)(\d*)([-+=.)])(?=[-+=]*(?!\S))")  # begins a list or a heading


def normalize_text(text: str) -> str:
    """The text in NFKC form, case-folded, with single spaces: equal for texts that differ in nothing else.

    Example:
        >>> normalize_text(" How  ARE you?") == normalize_text("how are you?\\n")
        True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shorten(text: str, longest: int = 60) -> str:
    """The text in quotation marks, on one line, cut to `longest` letters.

    Example:
        >>> print(shorten("How are you,\\nmy friend?", 14))
        “How are you,…”
    """
    text = " ".join(text.split())
    if len(text) > longest:
        text = text[: longest - 1].rstrip() + "…"
    return f"“{text}”"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "item"), counted(2000, "item"), counted(2, "copy", "copies")
        ('1 item', '2,000 items', '2 copies')
    """
    noun = singular if number == 1 else plural or f"{singular}s"
    return f"{number:,} {noun}"


def escape(text: str) -> str:
    r"""The text on one line, with everything escaped that Markdown would take for markup, a table or a formula.

    Example:
        >>> print(escape("a|b\n*now* <b>$5</b>"))
        a\|b \*now\* \<b\>\$5\</b\>
    """
    visible = "".join(
        letter if letter.isprintable() or letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return _LIST_MARKER.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", " ".join(visible.split())))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is aligned as plain text too: the first column left, all others right.

    Example:
        >>> print(table(["model", "cosine"], [["cube", "**0.9**"], ["PCA", "0.8"]]))
        | model |  cosine |
        | ----- | ------: |
        | cube  | **0.9** |
        | PCA   |     0.8 |
    """
    widths = [max(3, *map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for cells in (head, rule, *rows):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        padded[0] = cells[0].ljust(widths[0])
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines)


def paragraph(text: str, first: str = "", others: str = "") -> str:
    """The text in lines of up to 100 letters; the first line begins with `first`, all others with `others`."""
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def bullet(text: str, level: int = 0) -> str:
    """An entry of a list, in lines of up to 100 letters.

    Example:
        >>> print(bullet("first words", level=1))
          - first words
    """
    indent = "  " * level
    return paragraph(text, f"{indent}- ", f"{indent}  ")


def letter_share(text: str, script: str) -> float:
    """The share of a text's letters that are of a script, one of `SCRIPTS`; 1 if it has no letters.

    Example:
        >>> letter_share("Да, OK!", "cyrillic")
        0.5
    """
    begins = "CJK UNIFIED IDEOGRAPH" if script == "han" else script.upper()  # the Unicode names of its letters
    letters = [letter for letter in unicodedata.normalize("NFKC", text) if letter.isalpha()]
    if not letters:
        return 1.0
    return sum(_letter_name(letter).startswith(begins) for letter in letters) / len(letters)


@lru_cache(maxsize=65536)
def _letter_name(letter: str) -> str:
    return unicodedata.name(letter, "")
