"""The script that stores notebooks: fresh outputs, nothing of the machine, and nothing lost when a cell fails."""

import subprocess
import sys
from pathlib import Path

import nbformat

SCRIPT = Path(__file__).parents[1] / "scripts" / "store_notebooks.py"
v4 = nbformat.v4

WIDGET = """
import ipywidgets
from IPython.display import display
widget = {"application/vnd.jupyter.widget-view+json": ipywidgets.Label("live")._repr_mimebundle_()[
    "application/vnd.jupyter.widget-view+json"]}
display(widget | {"image/png": "iVBORw0KGgo=", "text/plain": "a picture"}, raw=True)
display(widget, raw=True)
"""


def write(path, *sources):
    cells = [v4.new_markdown_cell("# Title"), *map(v4.new_code_cell, sources)]
    cells[1].execution_count = 7
    cells[1].outputs = [v4.new_output("stream", text="8\nthe same\n")]
    notebook = v4.new_notebook(cells=cells, metadata={"widgets": {"x": 1}, "author": "me"})
    nbformat.write(notebook, path)
    return notebook


def stored(*paths):
    return subprocess.run(
        [sys.executable, SCRIPT, *paths], capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
    )


def test_outputs_are_stored_without_widgets_warnings_and_metadata(tmp_path):
    before = write(
        tmp_path / "a.ipynb",
        "import os, sys\nprint(9, flush=True)\nprint('between', file=sys.stderr, flush=True)\nprint('the same')",
        "print('careful', file=sys.stderr)\nprint(os.environ['OMP_NUM_THREADS'], os.environ['TQDM_DISABLE'])",
        WIDGET,
    )
    run = stored(tmp_path / "a.ipynb")
    assert run.returncode == 0, run.stdout + run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.ipynb"]

    after = nbformat.read(tmp_path / "a.ipynb", as_version=4)
    code = after.cells[1:]
    assert [cell.source for cell in after.cells] == [cell.source for cell in before.cells]
    assert [cell.id for cell in after.cells] == [cell.id for cell in before.cells]
    assert [cell.execution_count for cell in code] == [1, 2, 3]
    assert [cell.metadata for cell in code] == [{}, {}, {}]
    assert [[output.get("text") for output in cell.outputs] for cell in code] == [["9\nthe same\n"], ["1 1\n"], [None]]
    assert code[2].outputs[0].data == {"image/png": "iVBORw0KGgo=", "text/plain": "a picture"}
    assert after.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }

    assert "  cell 1 changed:\n    -8\n    +9\n" in run.stdout
    assert "cell 2, a warning that is not stored: careful" in run.stdout
    assert "stored, 3 texts changed" in run.stdout  # the second and the third cell had none
    assert "stored, 0 texts changed" in stored(tmp_path / "a.ipynb").stdout


def test_a_notebook_with_an_error_is_left_as_it_was_and_the_others_are_stored(tmp_path):
    write(tmp_path / "fails.ipynb", "print(9)", "1 / 0")
    write(tmp_path / "works.ipynb", "print(9)")
    before = (tmp_path / "fails.ipynb").read_bytes()
    run = stored(tmp_path / "fails.ipynb", tmp_path / "works.ipynb")
    assert run.returncode == 1
    assert "ZeroDivisionError" in run.stdout and "Not stored: fails.ipynb" in run.stderr
    assert (tmp_path / "fails.ipynb").read_bytes() == before
    assert nbformat.read(tmp_path / "works.ipynb", as_version=4).cells[1].outputs[0].text == "9\n"
    assert {path.name for path in tmp_path.iterdir()} == {"fails.ipynb", "works.ipynb"}


def test_an_expected_error_is_stored(tmp_path):
    notebook = write(tmp_path / "a.ipynb", "1 / 0")
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    run = stored(tmp_path / "a.ipynb")
    assert run.returncode == 0
    assert "+ZeroDivisionError: division by zero" in run.stdout
    assert nbformat.read(tmp_path / "a.ipynb", as_version=4).cells[1].outputs[0].ename == "ZeroDivisionError"


def test_the_words_for_a_picture_are_stored_with_it(tmp_path):
    notebook = write(tmp_path / "a.ipynb", WIDGET, "print('no picture')")
    notebook.cells[1].metadata["alt"] = "A curve that climbs."
    notebook.cells[2].metadata["alt"] = "None here."
    nbformat.write(notebook, tmp_path / "a.ipynb")
    assert stored(tmp_path / "a.ipynb").returncode == 0
    picture, text = (cell.outputs[0] for cell in nbformat.read(tmp_path / "a.ipynb", as_version=4).cells[1:])
    assert picture.metadata == {"image/png": {"alt": "A curve that climbs."}}
    assert "metadata" not in text
