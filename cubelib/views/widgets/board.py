"""What all widgets share: a printed twin for where nothing moves, messages, text that stays text."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cubelib.views.view3d.pictures import stored
from cubelib.views.view3d.turning import require_plotly

try:
    import ipywidgets
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "The widgets need ipywidgets: python -m pip install 'ipywidgets>=8'. What they show can be had without: see "
        "cubelib.views.experiments, cubelib.inference.ask and CubeTrainer.fit."
    ) from error

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

WIDE = ipywidgets.Layout(width="100%", max_width="760px")
# Of a cell in a table of texts; without a line height of its own it gets that of a button.
CELL = "style='text-align:left; vertical-align:top; padding:3px 8px; line-height:1.35'"


class Board(ipywidgets.VBox):
    """A box of controls and pictures. A subclass says in `summary` what is to be seen, and draws it in `picture`.

    JupyterLab shows the widget; where there is no kernel (on GitHub, on paper, before a notebook has been run) the
    stored picture stands in its place.
    """

    def __init__(self, *children: ipywidgets.Widget) -> None:
        self.message = ipywidgets.HTML()
        super().__init__([*children, self.message])

    def summary(self) -> str:
        """One line that says what is to be seen; it is the widget's repr."""
        raise NotImplementedError

    def picture(self) -> Figure | None:
        """The printed twin, a matplotlib figure; None where there is nothing but text."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Shows a message below, as text; an empty one takes it away."""
        self.message.value = as_html(text) if text else ""

    @contextmanager
    def listening(self, waiting: str = "") -> Iterator[None]:
        """Around the answer to an input: a user's mistake becomes a message, an error of ours stays an error.

        Args:
            waiting: shown until the answer is there.
        """
        self.say(waiting)
        try:
            yield
        except (ValueError, ModuleNotFoundError) as error:  # every UserError is a ValueError
            self.say(str(error))
        else:
            self.say("")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data |= {"text/plain": repr(self)} | stored(self.picture)
        return bundle


def as_html(text: str) -> str:
    """A text for ipywidgets.HTML: shown as it was typed, nothing in it is executed.

    Example:
        >>> as_html("<b>2 & 3</b>")
        '&lt;b&gt;2 &amp; 3&lt;/b&gt;'
    """
    return html.escape(text)


def sentence_box(value: str, on_sentence: Callable[[], None], description: str = "sentence") -> ipywidgets.Text:
    """A line to type in; `on_sentence` is called after Enter or when the line is left."""
    box = ipywidgets.Text(value=value, description=description, continuous_update=False, layout=WIDE)
    box.observe(lambda _: on_sentence(), names="value")
    return box


def live(figure: go.Figure) -> go.FigureWidget:
    """A plotly figure whose data can be changed from here.

    Raises:
        ModuleNotFoundError: plotly or anywidget is not installed.
    """
    go = require_plotly()
    try:
        return go.FigureWidget(figure)
    except ImportError as error:
        raise ModuleNotFoundError(
            "A widget with a picture that turns needs anywidget: python -m pip install 'anywidget>=0.9'."
        ) from error


@contextmanager
def changing(figure: go.FigureWidget) -> Iterator[None]:
    """Around changes of a plotly widget, which are sent together.

    Plotly tells the pictures that are shown already. What the next one is drawn from, in another cell or as the first,
    it sends only where the figure itself is displayed, not a box that holds it: without the last line that picture
    would miss whatever had not changed.
    """
    with figure.batch_update():
        yield
    figure._repr_mimebundle_()
