"""A notebook open in JupyterLab: what a learner does in it, and what can be seen of it."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from inspect import getsource
from typing import Any

import letter_cubes
from browser.drawing import Drawing
from browser.lab import Lab
from browser.pictures import SECONDS, until
from nbformat import NotebookNode, v4

# The first cell: the source of the cubes, since the notebooks' kernel finds cubelib and not the tests.
SETUP = getsource(letter_cubes) + "\nfrom cubelib import AnswerBank, AutoencoderDataset, CubicCore, widgets\n"

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
WRITE = "([cell, source]) => window.notebook.content.widgets[cell].model.sharedModel.setSource(source)"
MODEL = "() => JSON.stringify(window.notebook.content.model.sharedModel.toJSON())"


def new_notebook(cells: Sequence[str]) -> NotebookNode:
    """A notebook of code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel})


class Notebook:
    """A page of JupyterLab with one notebook in front. Cells are counted from 0.

    Args:
        page: a playwright page.
        lab: where the notebook is.
        name: its file's name in the Lab's root.
    """

    def __init__(self, page: Any, lab: Lab, name: str) -> None:
        self.page = page
        page.goto(f"{lab.url}lab/tree/{name}?token={lab.token}&reset")
        self._wait(FIND)
        page.add_style_tag(content=".jp-OutputPrompt { visibility: hidden; }")  # [3]: is no part of an output

    def run(self) -> None:
        """Run all cells from top to bottom and wait until the last has finished; a cell's error ends the run."""
        self.page.evaluate(RUN_ALL)
        self._wait("() => window.allRan")

    def start(self, cell: int) -> None:
        """Run one cell, without waiting for its end: see `busy`."""
        self.page.evaluate(RUN_ONE, cell)

    def busy(self, cell: int) -> bool:
        """Whether a cell waits or runs."""
        return self.page.evaluate("cell => window.notebook.content.widgets[cell].prompt === '*'", cell)

    def ask_kernel(self, cell: int, source: str) -> Any:
        """What a further cell of the notebook says that the kernel holds."""
        self.page.evaluate(WRITE, [cell, source])
        self.start(cell)
        until(lambda: not self.busy(cell) and self.text(cell).strip(), f"the kernel's answer to {source}")
        return ast.literal_eval(self.text(cell).strip())

    def output(self, cell: int) -> Any:
        """What is below a cell, as a locator."""
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{cell}'] .jp-Cell-outputArea")

    def drawing(self, cell: int) -> Drawing:
        """The picture below a cell."""
        return Drawing(self.page, self.output(cell).locator(".cubelib"))

    def text(self, cell: int) -> str:
        """What a learner reads below a cell."""
        return self.output(cell).inner_text()

    def says(self, cell: int, text: str) -> None:
        """Wait for a text below a cell."""
        until(lambda: text in self.text(cell), f"“{text}” below cell {cell}")

    def type_in(self, cell: int, text: str) -> None:
        """Type into a widget's line, as a person does: Enter at the end."""
        line = self.output(cell).locator("input[type=text]").first
        line.fill(text)
        line.press("Enter")

    def push(self, cell: int, times: int = 1) -> None:
        """Move a widget's first slider to the right."""
        handle = self.output(cell).locator(".noUi-handle").first
        handle.focus()
        for _ in range(times):
            handle.press("ArrowRight")

    def errors(self) -> list[str]:
        """Errors and warnings in the outputs of the cells."""
        cells = json.loads(self.page.evaluate(MODEL))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        failed = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
        return failed + ["".join(output["text"]) for output in outputs if output.get("name") == "stderr"]

    def _wait(self, condition: str) -> None:
        """Wait until a JavaScript function gives something true; not a promise, which would count as true."""
        self.page.wait_for_function(condition, timeout=SECONDS * 1000, polling=100)
