"""Markdown that reads well unrendered: tables in line, sentences wrapped, other people's texts made harmless."""

from __future__ import annotations

from cubelib.data.text import escape, shorten
from cubelib.metrics import Interval

ROUNDING = 5e-7  # a difference below it is shown as none


def quoted(text: str, longest: int = 60) -> str:
    r"""A text in quotation marks, cut to `longest` letters, made harmless.

    Example:
        >>> print(quoted("one_two | three", 9))
        “one\_two…”
    """
    return escape(shorten(text, longest))


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
