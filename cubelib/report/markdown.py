"""Markdown that reads well unrendered: tables in line, sentences wrapped, other people's texts made harmless."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from cubelib.copies import quote
from cubelib.metrics import Interval

WIDTH = 100  # of wrapped lines
ROUNDING = 5e-7  # a difference below it is shown as none
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&#])")
_MARKERS = re.compile(r"(?<!\S)(\d*)([-+=.)])(?=[-+=]*(?!\S))")  # of lists and headings, where a line begins with them


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand in line, the first one left, the others right.

    Example:
        >>> print(aligned(["model", "cosine"], [["cube", "**0.9**"], ["PCA", "0.8"]]))
        | model |  cosine |
        | ----- | ------: |
        | cube  | **0.9** |
        | PCA   |     0.8 |
    """
    widths = [max(3, *map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = []
    for cells in (head, rule, *rows):
        first, *others = zip(cells, widths, strict=True)
        shown = [f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def paragraph(text: str) -> str:
    """A text in lines of up to 100 letters."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def bullet(text: str, level: int = 0) -> str:
    """An entry of a list, in lines of up to 100 letters.

    Example:
        >>> print(bullet("first words", level=1))
          - first words
    """
    indent = "  " * level
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"{indent}- ",
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def escape(text: str) -> str:
    r"""A text on one line that Markdown shows as it is: nothing in it is markup, a table's border or a formula.

    Example:
        >>> print(escape("a|b\n*now* <b>$5</b>"))
        a\|b \*now\* \<b\>\$5\</b\>
    """
    shown = " ".join(
        "".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split()
    )
    return _MARKERS.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", shown))


def quoted(text: str, longest: int = 60) -> str:
    r"""A text in quotation marks, cut to `longest` letters, made harmless.

    Example:
        >>> print(quoted("one_two | three", 9))
        “one\_two…”
    """
    return escape(quote(text, longest))


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "item"), counted(2000, "item"), counted(2, "copy", "copies")
        ('1 item', '2,000 items', '2 copies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def short(number: int) -> str:
    """A number in three digits or so.

    Example:
        >>> short(768), short(12_288), short(848_896), short(3_072_000)
        ('768', '12k', '849k', '3.07M')
    """
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:,.2f}M"


def signed(value: float, largest: float | None = None) -> str:
    """A difference, with six decimals where four would show a zero that is none.

    Example:
        >>> signed(0.0123), signed(-0.00002), signed(-1e-9)
        ('+0.0123', '-0.000020', '+0.0000')
    """
    size = abs(value) if largest is None else largest
    digits = 6 if ROUNDING <= size < 0.0005 else 4
    return f"{value if abs(value) >= ROUNDING else 0.0:+.{digits}f}"


def signed_interval(interval: Interval) -> str:
    """A difference with its interval.

    Example:
        >>> signed_interval(Interval(0.01, -0.002, 0.022))
        '+0.0100 [-0.0020, +0.0220]'
    """
    largest = max(abs(interval.low), abs(interval.high))
    return f"{signed(interval.mean, largest)} [{signed(interval.low, largest)}, {signed(interval.high, largest)}]"
