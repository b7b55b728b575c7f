"""Knobs: any function with a few arguments, anew whenever one of them is turned.

Taught in all notebooks, under "Try it yourself".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets

from cubelib.views.view3d.pictures import png
from cubelib.views.widgets.board import Board, as_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Knobs(Board):
    """A function's result beside controls for its arguments.

    Args:
        function: returns a text, a matplotlib figure, or both as a pair (text, figure).
        button: the label of a button that starts it, for functions that take long; None to run at every turn.
        start: argument → first value, where that is not the knob's own.
        knobs: argument → what it may be: a range, or (lowest, highest) for numbers; a list of choices; True or False; a
            text to type. In this order they are shown.

    Attributes:
        text: what the function said last.
        figure: what it drew last; None for nothing.
        controls: argument → its control, which has a `value`.

    Raises:
        TypeError: a knob of a kind that has no control.

    Example:
        >>> def code(bottleneck, layout):
        ...     return f"{64 * bottleneck} numbers, {layout}"
        >>> knobs = Knobs(code, bottleneck=range(1, 17), layout=["pca", "random"])
        >>> knobs
        Knobs(bottleneck 1, layout pca): 64 numbers, pca
        >>> knobs.controls["bottleneck"].value = 4
        >>> knobs.text
        '256 numbers, pca'
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        button: str | None = None,
        start: dict[str, Any] | None = None,
        **knobs: Any,
    ) -> None:
        self._function = function
        self.controls = {name: _control(name, allowed) for name, allowed in knobs.items()}
        for name, value in (start or {}).items():
            self.controls[name].value = value
        self._says = ipywidgets.HTML()
        self._image = ipywidgets.Image(
            format="png", layout={"width": "auto", "max_width": "100%", "align_self": "flex-start"}
        )
        self._run = ipywidgets.Button(description=button or "")
        self._run.on_click(lambda _: self._turn())
        for control in self.controls.values() if button is None else ():
            control.observe(lambda _: self._turn(), names="value")
        row = [*self.controls.values(), *([self._run] if button else [])]
        super().__init__(ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}), self._says, self._image)
        self._answer()

    def summary(self) -> str:
        return ", ".join(f"{name} {_shown(control.value)}" for name, control in self.controls.items())

    def picture(self) -> Figure | None:
        return self.figure

    def __repr__(self) -> str:
        return f"{super().__repr__()}: {self.text}" if self.text else super().__repr__()

    def _turn(self) -> None:
        with self.listening("…"):
            self._answer()

    def _answer(self) -> None:
        result = self._function(**{name: control.value for name, control in self.controls.items()})
        self.text, self.figure = result if isinstance(result, tuple) else (result, None)
        if not isinstance(self.text, str):
            self.text, self.figure = "", self.text
        self._says.value = f"<pre style='line-height:1.35'>{as_html(self.text)}</pre>"
        self._image.value = b"" if self.figure is None else png(self.figure)
        self._image.layout.display = "none" if self.figure is None else None


def _control(name: str, allowed: Any) -> ipywidgets.Widget:
    options: dict[str, Any] = {"description": name, "style": {"description_width": "initial"}}
    if isinstance(allowed, bool):
        return ipywidgets.Checkbox(value=allowed, indent=False, description=name)
    if isinstance(allowed, str):
        return ipywidgets.Text(value=allowed, continuous_update=False, **options)
    if isinstance(allowed, range):
        return ipywidgets.IntSlider(
            min=allowed[0], max=allowed[-1], step=allowed.step, value=allowed[0], continuous_update=False, **options
        )
    if isinstance(allowed, tuple) and len(allowed) == 2 and all(isinstance(end, (int, float)) for end in allowed):
        low, high = allowed
        return ipywidgets.FloatSlider(
            min=low,
            max=high,
            step=(high - low) / 100,
            value=low,
            readout_format=".3g",
            continuous_update=False,
            **options,
        )
    if isinstance(allowed, list) and allowed:
        return ipywidgets.Dropdown(options=[(_shown(one), one) for one in allowed], value=allowed[0], **options)
    raise TypeError(
        f"Knobs: {name}={allowed!r:.60} has no control. Give a range (range(1, 17)), two numbers (0.0, 1.0), a list of "
        "choices, True or False, or a text."
    )


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
