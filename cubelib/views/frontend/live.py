"""LivePicture: a content in JupyterLab, which shows at once what the kernel changes, and tells what is clicked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import anywidget
import ipywidgets
import traitlets

from cubelib.views.frontend.pages import Content, bundle

# The program is sent to a page once, not with each picture, and so it is stored once with a notebook's widgets.
_ESM = """
async function program(model) {
  const id = model.get("library").replace("IPY_MODEL_", "");
  const library = await model.widget_manager.get_model(id);
  const source = new Blob([library.get("source")], {type: "text/javascript"});
  return import(URL.createObjectURL(source));
}
export default {
  async render({model, el}) {
    globalThis.cubelibProgram ??= program(model);
    return (await globalThis.cubelibProgram).render({model, el});
  },
};
"""


class Library(ipywidgets.Widget):  # type: ignore[misc]  # ipywidgets has no types
    """The program of the front end, which all pictures of a kernel share."""

    source = traitlets.Unicode().tag(sync=True)


class LivePicture(anywidget.AnyWidget):
    """A content, drawn by the front end.

    Args:
        content: what to draw; another one can be set at any time, and what is turned stays turned.
        twin: draws the printed picture, a PNG; asked only by a browser without WebGL.
        on_click: called with the name of a panel and a cell of it: (plane, row, column), or (row, column).

    Attributes:
        content: what is drawn.
        tick: the tick that is shown, also if it is chosen in the browser.
    """

    _esm = _ESM
    content = traitlets.Dict().tag(sync=True)
    tick = traitlets.Int().tag(sync=True)
    library = traitlets.Instance(ipywidgets.Widget).tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(
        self,
        content: Content,
        twin: Callable[[], bytes],
        on_click: Callable[[str, tuple[int, ...]], None] | None = None,
    ) -> None:
        super().__init__(content=content, library=_library(), layout=ipywidgets.Layout(width="100%"))
        self._twin, self._on_click = twin, on_click
        self.on_msg(self._receive)

    def _receive(self, _: Any, message: dict[str, Any], buffers: list[Any]) -> None:
        if message["kind"] == "twin":
            self.send({"kind": "twin"}, [self._twin()])
        elif self._on_click is not None:
            self._on_click(message["panel"], tuple(message["cell"]))


@cache
def _library() -> Library:
    return Library(source=bundle())
