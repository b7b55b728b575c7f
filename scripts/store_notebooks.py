"""Run notebooks from top to bottom and store their outputs as the tests want them.

    python scripts/store_notebooks.py [NOTEBOOK …]

Without names: all of notebooks/. One thread, no progress bars; views that turn get their printed twin. Taken out: what
depends on the machine (metadata; warnings, which are printed here) and widgets, which nobody can use without their
kernel; the picture and the text beside them stay. A cell's metadata `alt` says in words what its picture shows; it is
stored with the picture, where exported pages look for it. Says which texts changed. A notebook with an error, or one
that is stopped, is left as it was.
"""

from __future__ import annotations

import argparse
import copy
import difflib
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[1] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 1200  # for a cell


def printed(cell: NotebookNode) -> str:
    """What the tests compare of a cell: the texts of its outputs."""
    texts = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.outputs]
    errors = [f"{output.ename}: {output.evalue}" for output in cell.outputs if output.output_type == "error"]
    return "\n".join(text.rstrip("\n") for text in [*texts, *errors] if text)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """A copy with fresh outputs, cleaned.

    Raises:
        CellExecutionError: a cell has an error and no tag `raises-exception`.
    """
    fresh = copy.deepcopy(notebook)
    client = NotebookClient(
        fresh,
        timeout=SECONDS,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    fresh.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(fresh.cells):
        if cell.cell_type == "code":
            cell.outputs = cleaned(cell.outputs, number)
            describe_pictures(cell)
    return fresh


def cleaned(outputs: list[NotebookNode], number: int) -> list[NotebookNode]:
    """Outputs without warnings and live widgets; what is printed in pieces, as it happens, is one text."""
    kept = []
    for output in outputs:
        output.get("data", {}).pop(WIDGET, None)
        if output.get("name") == "stderr":
            print(f"  cell {number}, a warning that is not stored: {output.text.strip()}")
        elif output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        elif output.get("data") != {}:
            kept.append(output)
    return kept


def describe_pictures(cell: NotebookNode) -> None:
    """Gives every picture of a cell the cell's words, as its alternative text."""
    for output in cell.outputs:
        if "image/png" in output.get("data", {}) and "alt" in cell.metadata:
            output.metadata["image/png"] = output.metadata.get("image/png", {}) | {"alt": cell.metadata.alt}


def store(path: Path) -> int:
    """Execute a notebook and write it in one step; the number of cells whose text changed."""
    before = nbformat.read(path, as_version=4)
    fresh = execute(before, path.parent)
    changed = 0
    for number, (old, new) in enumerate(zip(before.cells, fresh.cells, strict=True)):
        if new.cell_type == "code" and printed(old) != printed(new):
            changed += 1
            print(f"  cell {number} changed:")
            lines = difflib.unified_diff(printed(old).splitlines(), printed(new).splitlines(), lineterm="", n=0)
            print("\n".join(f"    {line}" for line in lines if not line.startswith(("---", "+++", "@@"))))
    aside = path.with_name(f".{path.name}.new")
    nbformat.write(fresh, aside)
    os.replace(aside, path)
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    paths = parser.parse_args().notebooks or sorted(FOLDER.glob("*.ipynb"))
    os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "CUBELIB_PRINTED": "1"}  # the kernels inherit them
    os.environ.pop("CUBELIB_EXPORTED", None)
    failed = []
    for path in paths:
        print(f"{path.name}:")
        try:
            changed = store(path)
        except CellExecutionError as error:
            print(f"  left as it was: {error}")
            failed.append(path.name)
        else:
            print(f"  stored, {changed} texts changed")
    if failed:
        raise SystemExit(f"Not stored: {', '.join(failed)}")


if __name__ == "__main__":
    main()
