"""Numbers and learning curves as text, for tables, sentences and terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cubelib.metrics import Interval

ROUNDING = 5e-7  # a smaller difference is shown as zero
HEIGHT = 14  # lines of a curve
MOST_EPOCHS = 30  # columns of a curve; a longer run shows every second epoch, or fewer


def compact(number: int) -> str:
    """A number in about three digits.

    Example:
        >>> compact(768), compact(12_288), compact(848_896), compact(3_072_000)
        ('768', '12k', '849k', '3.07M')
    """
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:,.2f}M"


def signed(value: float, largest: float | None = None) -> str:
    """A difference with four decimals, or with six if four would show zero for what is not zero.

    Args:
        value: the difference.
        largest: decides on the decimals instead of the value, so that several numbers have the same.

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


def text_curve(values: Sequence[float], marks: Mapping[str, float]) -> str:
    """Draws values over epochs, epoch 0 first, with other values as marked lines.

    Args:
        values: one for each epoch, at least one.
        marks: name → value, such as the target or a baseline.

    Example:
        >>> print(text_curve([0.3, 0.8, 0.9, 0.95], {"target": 0.9}))
        0.950 |           o
        0.900 |........o...  target 0.900
        0.850 |
        0.800 |     o
        0.750 |
        0.700 |
        0.650 |
        0.600 |
        0.550 |
        0.500 |
        0.450 |
        0.400 |
        0.350 |
        0.300 |  o
              +------------
        epoch    0  1  2  3
    """
    step = -(-len(values) // MOST_EPOCHS)
    epochs = [*range(0, len(values) - 1, step), len(values) - 1]
    low, high = min([*values, *marks.values()]), max([*values, *marks.values()])
    height = (high - low or 1.0) / (HEIGHT - 1)  # of a line
    lines = []
    for line in range(HEIGHT):
        names = [f"{name} {value:.3f}" for name, value in marks.items() if round((high - value) / height) == line]
        fill = "." if names else " "
        columns = ["o" if round((high - values[epoch]) / height) == line else fill for epoch in epochs]
        dots = "".join(column.rjust(3, fill) for column in columns)
        lines.append(f"{high - line * height:.3f} |{dots}  {', '.join(names)}".rstrip())
    ticks = "".join(f"{epoch:3}" for epoch in epochs)
    return "\n".join([*lines, f"      +{'-' * 3 * len(epochs)}", f"epoch  {ticks}"])
