"""A learning curve in letters, for a terminal and the first lines of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HEIGHT = 14  # lines
MOST_EPOCHS = 30  # columns; a longer run shows every second epoch, or fewer


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
    height = (high - low or 1.0) / (HEIGHT - 1)

    def line_of(value: float) -> int:
        return round((high - value) / height)

    lines = []
    for number in range(HEIGHT):
        here = {name: value for name, value in marks.items() if line_of(value) == number}
        dots = "".join(
            "o".rjust(3, "." if here else " ") if line_of(values[epoch]) == number else ("..." if here else "   ")
            for epoch in epochs
        )
        names = ", ".join(f"{name} {value:.3f}" for name, value in here.items())
        lines.append(f"{high - number * height:.3f} |{dots}  {names}".rstrip())
    ticks = "".join(f"{epoch:3}" for epoch in epochs)
    return "\n".join([*lines, f"      +{'-' * 3 * len(epochs)}", f"epoch  {ticks}"])
