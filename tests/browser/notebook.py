"""A notebook open in JupyterLab, and what can be seen of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from browser.lab import SECONDS, Lab
from browser.pictures import Pixels, picture

Cell = str | tuple[str, str]

# Keeps the notebook in front as window.notebook, once its document and its kernel are there.
FIND = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    if (!panel?.content?.widgets || !panel.context.isReady) return false;
    if (panel.sessionContext.session?.kernel?.status !== 'idle') return false;
    window.notebook = panel;
    return true;
}"""
RUN_ALL = """() => {
    window.allRan = false;
    window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => { window.allRan = true; });
}"""
RUN_ONE = """cell => {
    window.notebook.content.activeCellIndex = cell;
    window.jupyterapp.commands.execute('notebook:run-cell');
}"""
MODEL = "() => JSON.stringify(window.notebook.content.model.sharedModel.toJSON())"


def write(path: Path, cells: Sequence[Cell]) -> None:
    """A notebook of code cells, or of `(kind, source)` with kind `code` or `markdown`."""
    v4 = nbformat.v4
    make = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell}
    pairs = [("code", cell) if isinstance(cell, str) else cell for cell in cells]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(cells=[make[kind](source) for kind, source in pairs], metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)


class Notebook:
    """A page of JupyterLab with one notebook in front. Cells are counted from 0, markdown cells too.

    Args:
        page: a playwright page.
        lab: where the notebook is.
        name: its file's name in the Lab's root.
    """

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page, self.name = page, name
        page.goto(f"{lab.url}lab/tree/{name}?token={lab.token}&reset")
        self.wait(FIND)
        page.add_style_tag(content=".jp-OutputPrompt { visibility: hidden; }")  # [3]: is no part of an output

    def run(self) -> None:
        """Run all cells from top to bottom and wait until the last has finished; a cell's error ends the run."""
        self.page.evaluate(RUN_ALL)
        self.wait("() => window.allRan")

    def start(self, cell: int) -> None:
        """Run one cell, without waiting for its end: see `busy`."""
        self.page.evaluate(RUN_ONE, cell)

    def busy(self, cell: int) -> bool:
        """Whether a cell waits or runs."""
        return self.page.evaluate("cell => window.notebook.content.widgets[cell].prompt === '*'", cell)

    def output(self, cell: int) -> Any:
        """What is below a cell, as a locator."""
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}'] .jp-Cell-outputArea")

    def text(self, cell: int) -> str:
        """What a learner reads below a cell."""
        return self.output(cell).inner_text()

    def picture(self, cell: int) -> Pixels:
        """What a learner sees below a cell, `(height, width, 3)`."""
        return picture(self.output(cell))

    def errors(self) -> list[str]:
        """Errors and warnings in the outputs of the cells."""
        cells = json.loads(self.page.evaluate(MODEL))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        failed = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
        return failed + ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]

    def wait(self, condition: str, argument: Any = None) -> None:
        """Wait until a JavaScript function gives something true; not a promise, which would count as true."""
        self.page.wait_for_function(condition, arg=argument, timeout=SECONDS * 1000, polling=100)
