"""Knobs: any function of a few arguments, called again whenever a control changes."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from cubelib.views.view3d.static import png
from cubelib.views.widgets.base import BaseWidget, on_change


class Knobs(BaseWidget):
    """A function's result below controls for its arguments, as notebooks show it under "Try it yourself".

    Args:
        function: returns a text, a matplotlib figure, or both as a pair (text, figure).
        button: the label of a button that calls it, for slow functions; None to call it at every change.
        start: argument → first value, if that is not the control's own.
        knobs: argument → what it may be: a range, or (lowest, highest) for numbers; a list of choices; True or False; a
            text to type. They are shown in this order.

    Attributes:
        text: what the function said last.
        figure: what it drew last; None for nothing.
        controls: argument → its control, which has a `value`.

    Raises:
        TypeError: an argument of a kind that has no control.

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
        self.text = ""
        self.figure: Figure | None = None
        self.controls = {name: _control(name, allowed) for name, allowed in knobs.items()}
        for name, value in (start or {}).items():
            self.controls[name].value = value
        self._output = ipywidgets.HTML()
        self._image = ipywidgets.Image(layout={"width": "auto", "max_width": "100%", "align_self": "flex-start"})
        self._button = ipywidgets.Button(description=button or "")
        self._button.on_click(lambda _: self._respond())
        row = list(self.controls.values())
        if button is None:
            on_change(self._respond, *row)
        else:
            row.append(self._button)
        super().__init__(ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}), self._output, self._image)
        self._call()

    def summary(self) -> str:
        return ", ".join(f"{name} {_label(control.value)}" for name, control in self.controls.items())

    def picture(self) -> Figure | None:
        return self.figure

    def __repr__(self) -> str:
        return f"{super().__repr__()}: {self.text}" if self.text else super().__repr__()

    def _respond(self) -> None:
        with self.responding("…"):
            self._call()

    def _call(self) -> None:
        result = self._function(**{name: control.value for name, control in self.controls.items()})
        if isinstance(result, tuple):
            self.text, self.figure = result
        elif isinstance(result, str):
            self.text, self.figure = result, None
        else:
            self.text, self.figure = "", result
        self._output.value = f"<pre style='line-height:1.35'>{escape(self.text)}</pre>"
        self._image.value = b"" if self.figure is None else png(self.figure)
        self._image.layout.display = "none" if self.figure is None else None


def _control(name: str, allowed: Any) -> ipywidgets.Widget:
    if isinstance(allowed, bool):
        return ipywidgets.Checkbox(value=allowed, indent=False, description=name)
    options: dict[str, Any] = {"description": name, "style": {"description_width": "initial"}}
    if isinstance(allowed, list) and allowed:
        return ipywidgets.Dropdown(options=[(_label(choice), choice) for choice in allowed], **options)
    options["continuous_update"] = False
    if isinstance(allowed, str):
        return ipywidgets.Text(value=allowed, **options)
    if isinstance(allowed, range):
        return ipywidgets.IntSlider(allowed[0], min=allowed[0], max=allowed[-1], step=allowed.step, **options)
    if isinstance(allowed, tuple) and len(allowed) == 2 and all(isinstance(end, (int, float)) for end in allowed):
        low, high = allowed
        step = (high - low) / 100
        return ipywidgets.FloatSlider(low, min=low, max=high, step=step, readout_format=".3g", **options)
    raise TypeError(
        f"Knobs: {name}={allowed!r:.60} has no control. Give a range (range(1, 17)), two numbers (0.0, 1.0), a list of "
        "choices, True or False, or a text."
    )


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
