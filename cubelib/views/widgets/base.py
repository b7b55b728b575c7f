"""What widgets share: a printed twin, messages, interactive figures, tables of answers, and text that stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from cubelib.inference.answers import Answer
from cubelib.views.style import ORANGE
from cubelib.views.view3d.interactive import CELLS, to_plotly
from cubelib.views.view3d.scene import LEVELS, Colors, Scene
from cubelib.views.view3d.static import static_mime

try:
    import anywidget  # noqa: F401 - plotly's figures need it
    import ipywidgets
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "The widgets need this: python -m pip install 'ipywidgets>=8' 'plotly>=7' 'anywidget>=0.9'. What they show is "
        "also available as plain functions: see cubelib.views.experiments, cubelib.inference.ask and "
        "CubeTrainer.fit."
    ) from error

WIDE = ipywidgets.Layout(width="100%", max_width="760px")
# Of a cell in a table of texts; its own line height, because it would get that of a button.
_CELL = "style='text-align:left; vertical-align:top; padding:3px 8px; line-height:1.35'"


class BaseWidget(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A box of controls and pictures. A subclass says in `summary` what it shows, and draws it in `picture`.

    JupyterLab shows the widget; without a kernel (on GitHub, on paper, before a notebook has been run) the stored
    picture takes its place.
    """

    def __init__(self, *children: ipywidgets.Widget) -> None:
        self.message = ipywidgets.HTML()
        super().__init__([*children, self.message])

    def summary(self) -> str:
        """One line that says what the widget shows; it is part of the repr."""
        raise NotImplementedError

    def picture(self) -> Figure | None:
        """The printed twin, a matplotlib figure; None if there is nothing but text."""
        raise NotImplementedError

    @contextmanager
    def responding(self, waiting: str = "") -> Iterator[None]:
        """Around the response to an input: a user's mistake becomes a message, any other error stays an error.

        Args:
            waiting: shown until the response is there.
        """
        self.message.value = escape(waiting)
        try:
            yield
        except (ValueError, ModuleNotFoundError) as error:  # every UserError is a ValueError
            self.message.value = escape(str(error))
        else:
            self.message.value = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data |= {"text/plain": repr(self)} | static_mime(self.picture)
        return bundle


class FigureWidget(BaseWidget):
    """A line to type in, rows of controls, an interactive figure, and facts about it.

    A subclass says in `set_sentence` what a sentence changes, in `traces` what the figure shows now, and in `facts`
    what is written below it. Its controls call `show`.

    Args:
        sentence: to begin with; it has been sent.
        figure: with the traces to begin with.
        rows: of controls.
    """

    def __init__(self, sentence: str, figure: go.Figure, *rows: Sequence[ipywidgets.Widget]) -> None:
        self.sentence = sentence_box(sentence, self._respond)
        self.figure = go.FigureWidget(figure)
        self.details = ipywidgets.HTML(self.facts())
        controls = [ipywidgets.HBox(row, layout=WIDE) for row in rows]
        super().__init__(self.sentence, *controls, self.figure, self.details)

    def set_sentence(self, sentence: str) -> None:
        """Encodes a sentence and keeps what is to be shown of it."""
        raise NotImplementedError

    def traces(self) -> list[dict[str, Any]]:
        """What the figure shows now: plotly's properties of each trace."""
        raise NotImplementedError

    def facts(self) -> str:
        """What is written below the figure, as HTML."""
        raise NotImplementedError

    def show(self) -> None:
        """Shows the traces and the facts as they are now; what is turned stays turned.

        Plotly sends what changed to the pictures that are shown already. The state for a picture in another cell, or
        for the first one, it sends only if the figure itself is displayed and not a box around it: hence the line
        below the block.
        """
        with self.figure.batch_update():
            for shown, trace in zip(self.figure.data, self.traces(), strict=True):
                shown.update(trace)
        self.figure._repr_mimebundle_()
        self.details.value = self.facts()

    def _respond(self) -> None:
        with self.responding("Encoding …"):
            self.set_sentence(self.sentence.value)
            self.show()


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Numbers as colored squares.

    Args:
        title: shown above.
        values: `(rows, columns)`.
        colors: their scale.
        label: what the values are, for a color bar.
        across: what runs to the right.
        down: what runs down.
        crossed: squares to cross out, bool, the shape of values; None for none.
    """

    title: str
    values: Tensor
    colors: Colors
    label: str = ""
    across: str = "column"
    down: str = "row"
    crossed: Tensor | None = None

    def trace(self) -> dict[str, Any]:
        """The properties of a plotly trace."""
        values = self.values.double().numpy()
        crosses = np.full(values.shape, "")
        if self.crossed is not None:
            crosses[self.crossed.numpy()] = "×"
        scale = self.colors.plotly_scale()
        scale["colorbar"] |= {"title": {"text": self.label, "side": "right"}}
        squares = {"z": self.colors.levels(values), "zmin": 0, "zmax": LEVELS, "xgap": 1, "ygap": 1}
        hover = f"{self.across} %{{x}}, {self.down} %{{y}}<br>%{{customdata:.4g}}<extra></extra>"
        texts = {"customdata": values, "text": crosses, "texttemplate": "%{text}", "hovertemplate": hover}
        return {"type": "heatmap", **squares, **texts, **scale}

    def add_to(self, figure: go.Figure, row: int, column: int, color_bar: dict[str, Any] | None) -> None:
        """Adds the trace to a figure of `plotly.subplots.make_subplots`; color_bar None leaves the bar out."""
        figure.add_trace(self.trace(), row=row, col=column)
        figure.data[-1].update(showscale=color_bar is not None, colorbar=color_bar or {})
        rows, columns = self.values.shape
        across = {"title": {"text": self.across, "standoff": 2}, "dtick": max(1, round(columns / 8))}
        down = {"title": {"text": self.down}, "dtick": max(1, round(rows / 8)), "autorange": "reversed"}
        figure.update_xaxes(**across, zeroline=False, row=row, col=column)
        figure.update_yaxes(**down, zeroline=False, row=row, col=column)


def lattice_figure(scene: Scene, heatmaps: Sequence[Heatmap], color_bar: bool = True) -> go.Figure:
    """A scene at tick 0, and heat maps beside it from top to bottom, with a common color bar or none."""
    figure = to_plotly(scene)
    below: list[list[Any]] = [[None, {}] for _ in heatmaps[1:]]
    make_subplots(
        rows=len(heatmaps),
        cols=2,
        figure=figure,
        specs=[[{"type": "scene", "rowspan": len(heatmaps)}, {}], *below],
        subplot_titles=["", *(heatmap.title for heatmap in heatmaps)],
        column_widths=[0.56, 0.44],
        horizontal_spacing=0.2,
        vertical_spacing=0.3,
    )
    eye = figure.layout.scene.camera.eye  # farther away, or the narrower picture would cut off an axis's title
    eye.update({axis: 1.3 * eye[axis] for axis in "xyz"})
    figure.update_annotations(font_size=12)
    figure.data[CELLS].colorbar.x = 0.48
    for row, heatmap in enumerate(heatmaps, start=1):
        bar = {"thickness": 10, "len": 1.0, "x": 1.0} if color_bar and row == 1 else None
        heatmap.add_to(figure, row, 2, bar)
    return figure.update_layout(width=860, margin={"t": 40, "r": 10, "b": 45})


def sentence_box(value: str, on_sentence: Callable[[], None], description: str = "sentence") -> ipywidgets.Text:
    """A line to type in; `on_sentence` is called after Enter or when the line is left."""
    box = ipywidgets.Text(value=value, description=description, continuous_update=False, layout=WIDE)
    on_change(on_sentence, box)
    return box


def on_change(respond: Callable[[], None], *controls: ipywidgets.Widget) -> None:
    """Calls `respond` whenever the value of a control changes."""
    for control in controls:
        control.observe(lambda _: respond(), names="value")


def answer_table(columns: Mapping[str, Sequence[Answer]], notes: Mapping[int, str]) -> str:
    """Ranked answers with their cosines side by side, as HTML.

    Args:
        columns: title → answers, equally many in each.
        notes: index of an answer in its bank → a word to mark it with.

    Example:
        >>> "<td" in answer_table({"nearest": [Answer("1 < 2", 0.5, 0)]}, {0: "right"})
        True
    """

    def cells(answer: Answer) -> str:
        text = escape(answer.text)
        if answer.index in notes:
            text = f"<b style='color:{ORANGE}'>{text} ({notes[answer.index]})</b>"
        return f"<td {_CELL}>{answer.score:.3f}</td><td {_CELL}>{text}</td>"

    head = "".join(f"<th colspan=2 {_CELL}>{title}</th>" for title in columns)
    rows = "".join(
        f"<tr><td {_CELL}>{rank}</td>{''.join(map(cells, answers))}</tr>"
        for rank, answers in enumerate(zip(*columns.values(), strict=True), start=1)
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"
