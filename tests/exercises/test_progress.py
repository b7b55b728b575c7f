"""What is solved is kept by the checks of the course that pass in a notebook, and by nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from cubelib import check
from cubelib.__main__ import main
from cubelib.exercises import progress
from cubelib.exercises.exercise import Exercise, cases
from cubelib.exercises.progress import ENROLLED, Progress

ROOT = Path(__file__).parents[2]
RIGHT = "from cubelib import check\nmine = check.start.{name}(lambda *inputs: check.start.{name}.right(*inputs))"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder of the progress files; the test counts as a notebook."""
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path))
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    progress._say_once.cache_clear()
    return tmp_path / "progress"


def solve(number: str) -> None:
    exercise = ENROLLED[number]
    exercise(lambda *inputs: exercise.right(*inputs))


def test_a_solved_exercise_is_followed_by_how_far_the_learner_is(folder, capsys):
    solve("0.1")
    solve("0.3")
    solve("1.2")
    solve("1.2")
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("Solved")] == [
        f"Solved: 1 of {len(ENROLLED)} (notebook 00: 1 of 3).",
        f"Solved: 2 of {len(ENROLLED)} (notebook 00: 2 of 3).",
        f"Solved: 3 of {len(ENROLLED)} (notebook 01: 1 of 4).",
        f"Solved: 3 of {len(ENROLLED)} (notebook 01: 1 of 4).",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["0.1.json", "0.3.json", "1.2.json"]


def test_all_exercises_of_the_course_are_enrolled_and_no_others():
    chapters = [getattr(check, name) for name in check.__all__]
    exercises = [thing for chapter in chapters for thing in vars(chapter).values() if isinstance(thing, Exercise)]
    assert {id(exercise) for exercise in exercises} == {id(exercise) for exercise in ENROLLED.values()}
    assert Progress(ENROLLED).numbers[:4] == ["0.1", "0.2", "0.3", "1.1"]


def test_what_is_not_solved_or_not_of_the_course_leaves_no_trace(folder, capsys):
    def stub(tick, depth):
        raise NotImplementedError

    check.start.plane_at_tick(stub)
    check.start.plane_at_tick(lambda tick, depth: tick)
    check.start.plane_at_tick(check.start.plane_at_tick.right)
    own = Exercise("0.1", "double(number) → twice", right=lambda number: 2 * number, checks=lambda: [cases((2,))])
    own(lambda number: number + number)
    said = capsys.readouterr().out
    assert "Exercise 0.1: all 1 checks passed." in said and "Solved" not in said
    assert not folder.exists()


def test_a_script_leaves_no_trace(tmp_path):
    environment = os.environ | {"CUBELIB_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    code = RIGHT.format(name="plane_at_tick")
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "Exercise 0.1: all 3 checks passed.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_keeps_what_is_solved(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [RIGHT.format(name="plane_at_tick"), RIGHT.format(name="by_chance")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert [cell.outputs[0].text.splitlines()[1] for cell in notebook.cells] == [
        f"Solved: 1 of {len(ENROLLED)} (notebook 00: 1 of 3).",
        f"Solved: 2 of {len(ENROLLED)} (notebook 00: 2 of 3).",
    ]
    assert Progress(ENROLLED, tmp_path / "progress").solved() == ["0.1", "0.3"]


def test_two_at_once_lose_nothing(folder):
    numbers = list(ENROLLED)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: Progress(ENROLLED).add(number), numbers * 4))
    assert Progress(ENROLLED).solved() == Progress(ENROLLED).numbers
    assert len(list(folder.iterdir())) == len(numbers)  # no half-written file is left


@pytest.mark.parametrize("content", [b"", b'{"exercise": "0.1"', b"\xff\x00", b"[1]", b'{"exercise": "0.2"}'])
def test_a_damaged_file_starts_anew_and_says_so_once(folder, capsys, content):
    solve("0.1")
    solve("0.2")
    (folder / "0.1.json").write_bytes(content)
    capsys.readouterr()
    assert Progress(ENROLLED).solved() == Progress(ENROLLED).solved() == ["0.2"]
    said = capsys.readouterr().out
    assert said.count("was damaged. Exercise 0.1 counts as open until its check passes again.") == 1
    solve("0.1")
    assert json.loads((folder / "0.1.json").read_bytes()) == {"exercise": "0.1"}
    assert "notebook 00: 2 of 3" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_named_once_and_stops_nobody(folder, capsys):
    folder.write_text("a file where the folder should be")
    solve("0.1")
    solve("0.2")
    said = capsys.readouterr().out
    assert said.count("checks passed.") == 2 and "Solved" not in said
    assert said.count(f"(Your progress is not kept: cannot write {folder}, ") == 1


def test_the_command_prints_the_table_and_forgets(folder, capsys):
    for number in ("0.1", "0.2", "0.3", "4.2"):
        solve(number)
    capsys.readouterr()
    assert main(["course", "--progress"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "notebook  solved    still open",
        "00        3 of 3",
        "01        0 of 4    1.1, 1.2, 1.3, 1.4",
    ]
    assert "04        1 of 4    4.1, 4.3, 4.4" in lines
    assert lines[-1] == f"Solved: 4 of {len(ENROLLED)}. Kept in {folder}"
    assert main(["course", "--reset-progress"]) == 0
    assert capsys.readouterr().out == f"Forgot 4 solved exercises of {folder}.\n"
    assert Progress(ENROLLED).solved() == []
