"""What widgets share: a printed twin, messages, live pictures, tables of answers, and text that stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from matplotlib.figure import Figure

from cubelib.inference.answers import Answer
from cubelib.views.frontend import Content, exported, part_of_page
from cubelib.views.style import ORANGE
from cubelib.views.view3d.static import png, static_mime

try:
    import ipywidgets

    from cubelib.views.frontend.live import LivePicture
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "The widgets need this: python -m pip install 'ipywidgets>=8' 'anywidget>=0.9'. What they show is also "
        "available as plain functions: see cubelib.views.experiments, cubelib.inference.ask and CubeTrainer.fit."
    ) from error

WIDE = ipywidgets.Layout(width="100%", max_width="760px")
WRAPPED = ipywidgets.Layout(width="100%", flex_flow="row wrap")
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
    """A line to type in, rows of controls, a live picture, and facts about it.

    A subclass says in `set_sentence` what a sentence changes, in `content` what the picture shows now, and in `facts`
    what is written below it. Its controls call `show`.

    Args:
        sentence: to begin with; it has been sent.
        rows: of controls.
    """

    def __init__(self, sentence: str, *rows: Sequence[ipywidgets.Widget]) -> None:
        self.sentence = sentence_box(sentence, self._respond)
        self.figure = LivePicture(self.content(), lambda: png(self.picture()), self.clicked)
        self.details = ipywidgets.HTML(self.facts())
        controls = [ipywidgets.HBox(row, layout=WRAPPED) for row in rows]
        super().__init__(self.sentence, *controls, self.figure, self.details)

    def set_sentence(self, sentence: str) -> None:
        """Encodes a sentence and keeps what is to be shown of it."""
        raise NotImplementedError

    def content(self) -> Content:
        """What the picture shows now."""
        raise NotImplementedError

    def facts(self) -> str:
        """What is written below the picture, as HTML."""
        raise NotImplementedError

    def picture(self) -> Figure:
        raise NotImplementedError

    def clicked(self, panel: str, cell: tuple[int, ...]) -> None:
        """Responds to a click on a cell of a panel."""

    def show(self) -> None:
        """Shows the content and the facts as they are now; what is turned stays turned."""
        self.figure.content = self.content()
        self.details.value = self.facts()

    def _respond(self) -> None:
        with self.responding("Encoding …"):
            self.set_sentence(self.sentence.value)
            self.show()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if exported():
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            data["text/html"] = part_of_page(self.content(), repr(self), png(self.picture()))
        return bundle


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

    # Columns of the same width for all questions, so that nothing jumps from one to the next.
    share = 100 / len(columns)
    column = f"<col style='width:64px'><col style='width:{share:.0f}%'>"
    width = "<col style='width:34px'>" + "".join(column for _ in columns)
    head = "".join(f"<th colspan=2 {_CELL}>{title}</th>" for title in columns)
    rows = "".join(
        f"<tr><td {_CELL}>{rank}</td>{''.join(map(cells, answers))}</tr>"
        for rank, answers in enumerate(zip(*columns.values(), strict=True), start=1)
    )
    return f"<table style='width:100%; table-layout:fixed'>{width}<tr><th></th>{head}</tr>{rows}</table>"
