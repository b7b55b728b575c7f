"""The notebooks as documents, their exercises, and that a changed output is noticed.

That the stored outputs are what the cells give is nbval's part of the test command.
"""

from __future__ import annotations

import ast
import copy
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DETAILS = re.compile(r"<details><summary>Solution</summary>(.*?)</details>", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
STUB = re.compile(r"raise NotImplementedError\(\"Exercise (\d+\.\d+)[ :]")


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def printed(output: NotebookNode) -> str:
    """What nbval compares of an output: its text, not its pictures."""
    return output.get("text", "") + output.get("data", {}).get("text/plain", "")


def runnable(source: str) -> str:
    """The cell without IPython's own commands."""
    return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("%"))


class Exercise(NamedTuple):
    number: str
    stub: str
    check: str
    solution: str | None
    imports: str


def exercises(path: Path) -> list[Exercise]:
    """Every stub of a notebook with the check and the published solution that follow it, before the next stub."""
    cells = read(path).cells
    imports = [
        ast.unparse(node)
        for cell in cells
        if cell.cell_type == "code"
        for node in ast.parse(runnable(cell.source)).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    found = {i: STUB.search(cell.source) for i, cell in enumerate(cells) if cell.cell_type == "code"}
    stubs = {i: match for i, match in found.items() if match}
    result = []
    for i, end in zip(stubs, [*list(stubs)[1:], len(cells)], strict=True):
        following = cells[i + 1 : end]
        checks = [c.source for c in following if c.cell_type == "code" and re.match(r"\w+ = check\.", c.source)]
        solutions = [
            block
            for cell in following
            if cell.cell_type == "markdown"
            for details in DETAILS.findall(cell.source)
            for block in PYTHON_BLOCK.findall(details)
        ]
        assert len(checks) == 1, f"{path.name}: exercise {stubs[i][1]} needs one cell that calls its check"
        result.append(
            Exercise(stubs[i][1], cells[i].source, checks[0], solutions[0] if solutions else None, "\n".join(imports))
        )
    return result


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_exercise = pytest.mark.parametrize(
    "exercise", [e for path in NOTEBOOKS for e in exercises(path)], ids=lambda exercise: exercise.number
)


# --- form ------------------------------------------------------------------------------------------------------------


def test_there_are_notebooks():
    assert NOTEBOOKS  # else the tests below would pass by having nothing to look at


@every_notebook
def test_outputs_are_stored_from_one_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(read(path))]
    assert counts == list(range(1, len(counts) + 1))  # nbval compares nothing in a cell without a count


@every_notebook
def test_no_cell_is_exempt_from_comparison_without_a_reason(path):
    for cell in code_cells(read(path)):
        tags = cell.metadata.get("tags", [])
        assert not {"nbval-skip", "nbval-ignore-output"} & set(tags), cell.source
        for exempt in re.finditer(r"^#\s*NBVAL_(SKIP|IGNORE_OUTPUT)\s*$", cell.source, re.MULTILINE):
            rest = cell.source[exempt.end() :].lstrip("\n")
            assert rest.startswith("#"), f"say why in a comment on the next line:\n{cell.source}"


@every_notebook
def test_cells_are_short(path):
    lines = [len(cell.source.splitlines()) for cell in code_cells(read(path))]
    assert max(lines) <= 25
    assert statistics.median(lines) <= 6


@every_notebook
def test_headings_form_an_outline(path):
    levels = []
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            levels += [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


@every_notebook
def test_outputs_hold_no_warnings_errors_or_widget_state(path):
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            expected = "raises-exception" in cell.metadata.get("tags", [])
            assert output.output_type != "error" or expected, cell.source
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), cell.source


@every_notebook
def test_every_picture_says_in_words_what_it_shows(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert alt == cell.metadata.get("alt") and len(alt.split()) >= 8, cell.source
                assert not alt.startswith(("In words", "Image of", "Picture of")), alt


@every_notebook
def test_numbers_are_printed_with_at_most_four_decimals(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            # The digits beyond depend on the machine.
            assert not re.findall(r"\d\.\d{5,}", printed(output)), cell.source


@every_notebook
def test_nothing_of_the_machine_it_was_written_on_is_in_it(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    sources = [cell.source for cell in notebook.cells]
    outputs = [printed(output) for cell in code_cells(notebook) for output in cell.outputs]
    assert not re.search(r"/(home|root|tmp|work|Users)/", "\n".join(sources + outputs))


def reading_minutes(path: Path) -> float:
    """200 words, 20 lines of code or two pictures a minute; what is folded away is not counted."""
    cells = read(path).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    words = re.sub(r"<details>.*?</details>", "", prose, flags=re.DOTALL).split()
    code = [line for cell in code_cells(read(path)) for line in cell.source.splitlines()]
    lines = [line for line in code if line.strip() and not line.startswith(("import ", "from "))]
    outputs = [output for cell in code_cells(read(path)) for output in cell.outputs]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    return len(words) / 200 + len(lines) / 20 + pictures / 2


def stated_minutes(path: Path) -> tuple[int, int]:
    """What a notebook says of itself: minutes of reading, and of exercises."""
    start = " ".join(read(path).cells[0].source.split())
    found = re.search(r"Reading takes about (\d+) minutes, the \w+ exercises another (\d+)\.", start)
    assert found, "say how long it takes under **Before you start.**"
    return int(found[1]), int(found[2])


@every_notebook
def test_the_minutes_it_takes_are_counted(path):
    reading, practice = stated_minutes(path)
    assert abs(reading - reading_minutes(path)) <= 5
    assert practice == 5 * len(exercises(path))
    table = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| {path.stem[:2]} · [^|]+\| {reading} \| {practice} \|", table, re.MULTILINE)


def test_the_course_is_read_in_about_four_hours():
    assert 3.5 <= sum(map(reading_minutes, NOTEBOOKS)) / 60 <= 4.5


# --- exercises -------------------------------------------------------------------------------------------------------


def verdict(exercise: Exercise, answer: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the exercise's own check prints about an answer."""
    names: dict[str, Any] = {}
    exec(f"{exercise.imports}\n{answer}\n{exercise.check}", names)
    return capsys.readouterr().out


@every_exercise
def test_a_stub_is_not_solved_yet(exercise, capsys):
    assert verdict(exercise, exercise.stub, capsys) == f"Exercise {exercise.number}: not solved yet.\n"


@every_exercise
def test_a_published_solution_passes(exercise, capsys):
    assert exercise.solution, "no ```python block in <details><summary>Solution</summary>"
    said = verdict(exercise, exercise.solution, capsys)
    assert re.fullmatch(rf"Exercise {exercise.number}: all \d+ checks passed\.\n", said), said


@every_exercise
def test_a_stub_that_returns_nothing_is_told_so(exercise, capsys):
    answer = re.sub(r"raise NotImplementedError\(.*\)", "pass", exercise.stub)
    assert "gives None: is there a return at the end?" in verdict(exercise, answer, capsys)


def test_a_notebook_numbers_its_exercises_in_order():
    for path in NOTEBOOKS:
        chapter = int(path.stem[:2])
        numbers = [exercise.number for exercise in exercises(path)]
        assert numbers == [f"{chapter}.{i}" for i in range(1, len(numbers) + 1)]


# --- nbval: a changed output is noticed, and nothing else -------------------------------------------------------------


def run_nbval(folder: Path, environment: dict[str, str]) -> tuple[str, str]:
    """The summary of nbval's run over a folder outside the repository, whose settings have no effect; and all of it."""
    command = ["-m", "pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA"]
    environment = environment | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    return run.stdout[run.stdout.rindex("short test summary info") :], run.stdout + run.stderr


OWN = [  # the cells of a notebook in which a first run is slow, and shows a bar, and a second is not
    """import time; from pathlib import Path; import torch; from cubelib import AutoencoderDataset, CubeTrainer, widgets
from cubelib.views import view3d
pause = 0 if Path("second").exists() else 0.3
vectors = torch.randn(40, 24, generator=torch.Generator().manual_seed(0))
train, validation = AutoencoderDataset(vectors[:32]), AutoencoderDataset(vectors[32:])
trainer = CubeTrainer({"embedding_dim": 24, "lattice_size": [3, 2, 3], "epochs": 4, "batch_size": 16})
trainer.initialize_components()""",
    """print("before")
trainer.fit(train, validation, on_batch_end=lambda *_: time.sleep(pause))
print(trainer.stop_reason); Path("second").touch()""",
    "widgets.TrainingLive(trainer, train, validation)",
    "view3d.show(trainer, vectors[0])",
]


def test_a_notebook_of_one_s_own_passes_a_second_time_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in OWN])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = notebook.cells[1].outputs
    assert "display_data" in [output.output_type for output in outputs]  # the bar was shown
    assert [output.data for output in outputs if "data" in output] == [{}]
    nbformat.write(notebook, tmp_path / "own.ipynb")
    summary, told = run_nbval(tmp_path, dict(os.environ))
    assert "4 passed" in summary and "failed" not in summary, told


def test_a_kernel_that_dies_fails_in_seconds(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in ("print(1)", "import os; os._exit(9)", "print(2)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "dies.ipynb")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    started = time.monotonic()
    summary, told = run_nbval(tmp_path, dict(os.environ))
    assert "the kernel died in this cell" in told and "2 failed" in summary, told
    assert time.monotonic() - started < 60


def test_one_changed_digit_turns_the_test_command_red(tmp_path):
    start = read(ROOT / "notebooks" / "04_autoencoder.ipynb")
    first_output = next(i for i, cell in enumerate(start.cells) if cell.get("outputs"))
    start.cells = start.cells[: first_output + 1]
    changed = copy.deepcopy(start)
    output = changed.cells[-1].outputs[0]
    output.text = re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), output.text, count=1)
    assert output.text != start.cells[-1].outputs[0].text
    nbformat.write(start, tmp_path / "as_it_is.ipynb")
    nbformat.write(changed, tmp_path / "one_digit_changed.ipynb")
    summary, told = run_nbval(tmp_path, dict(os.environ))
    assert re.search(r"^PASSED as_it_is\.ipynb", summary, re.MULTILINE), told
    assert re.search(r"^FAILED one_digit_changed\.ipynb.*", summary, re.MULTILINE), told
    assert "1 failed, 1 passed" in summary
