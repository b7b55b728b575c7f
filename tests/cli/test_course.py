"""Copies of the course for a class: with solutions, without them, as slides; whole or not at all."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import test_notebooks as form

from cubelib.__main__ import main
from cubelib.cli import course
from cubelib.cli.slides import Slide, slides_of
from cubelib.cli.slides_page import page

ROOT = Path(__file__).parents[2]
NAMES = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> dict[str, Path]:
    """The two versions of the course, written once for all tests."""
    folder = tmp_path_factory.mktemp("course")
    assert main(["course", str(folder / "instructor")]) == 0
    assert main(["course", str(folder / "student"), "--student"]) == 0
    return {name: folder / name for name in ("instructor", "student")}


def text_of(path: Path) -> str:
    """The Markdown of a document or a notebook, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL)


# --- notebooks -------------------------------------------------------------------------------------------------------


def test_the_instructor_s_notebooks_are_those_of_the_project_but_for_their_links(copies):
    for name in NAMES:
        ours, theirs = (form.read(folder / "notebooks" / name) for folder in (ROOT, copies["instructor"]))
        for left, right in zip(ours.cells, theirs.cells, strict=True):
            if left.cell_type == "code":
                assert left == right
            else:
                assert LINK.sub("", right.source).split()[:8] == LINK.sub("", left.source).split()[:8]
                assert left.source.count("<details>") == right.source.count("<details>")
        assert ours.metadata == theirs.metadata


@pytest.mark.parametrize("name", NAMES)
def test_a_student_s_notebook_has_every_exercise_and_no_solution(copies, name):
    ours, theirs = ROOT / "notebooks" / name, copies["student"] / "notebooks" / name
    notebook = form.read(theirs)
    nbformat.validate(notebook)
    for check in (
        form.test_outputs_are_stored_from_one_run_from_top_to_bottom,
        form.test_cells_are_short,
        form.test_headings_form_an_outline,
        form.test_outputs_hold_no_warnings_errors_or_widget_state,
        form.test_nothing_of_the_machine_it_was_written_on_is_in_it,
    ):
        check(theirs)
    before, after = form.exercises(ours), form.exercises(theirs)
    assert [exercise.number for exercise in after] == [exercise.number for exercise in before]
    assert [exercise.stub for exercise in after] == [exercise.stub for exercise in before]
    everything = "\n".join(cell.source for cell in notebook.cells)
    for exercise in before:
        body = exercise.solution.split(":\n", 1)[1].strip()
        assert body not in everything, exercise.number
    assert everything.count("*Solution: ask your instructor.*") == len(before)
    assert "<summary>Solution" not in everything
    questions = course.QUESTIONS.split(everything)[-1]
    assert "<summary>Answers" not in questions and questions.count("*Answers: ask your instructor.*") == 1
    original = "\n".join(cell.source for cell in form.read(ours).cells)
    for kept in ("<summary>Hint", "<summary>I get"):
        assert everything.count(kept) == original.count(kept) > 0


def test_only_the_answers_to_the_questions_at_the_end_are_taken_out():
    folded = "<details><summary>Answers</summary>\n\n1. Because.\n\n</details>"
    sources = [f"## 9 · Decide\n\n{folded}", "## Summary", f"## Five questions\n\n1. Why?\n\n{folded}", "## Links"]
    notebook = {"cells": [{"cell_type": "markdown", "source": [source]} for source in sources]}
    assert course.without_solutions(notebook) == 0
    texts = [course.source_of(cell) for cell in notebook["cells"]]
    assert [text.count("Because") for text in texts] == [1, 0, 0, 0]
    assert "1. Why?" in texts[2]


@pytest.mark.parametrize("version", ["instructor", "student"])
def test_every_link_and_file_of_a_copy_is_there(copies, version):
    folder = copies[version]
    documents = [*folder.rglob("*.md"), *folder.rglob("*.ipynb")]
    assert len(documents) > 15
    links = [(path, link) for path in documents for link in LINK.findall(text_of(path))]
    assert len(links) > 50
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []
    read = [
        found
        for name in NAMES
        for cell in form.code_cells(form.read(folder / "notebooks" / name))
        for found in re.findall(r"[\"'](\.\./[^\"']+)[\"']", cell.source)
    ]
    assert read and all((folder / "notebooks" / name).is_file() for name in read)


def test_a_link_to_a_source_becomes_its_name_and_code_is_left_alone(tmp_path, monkeypatch):
    project = tmp_path / "project"
    for name in ("notebooks/00_start_here.ipynb", "docs/a.md", "cubelib/cell.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text('{"cells": []}', encoding="utf-8")
    text = "[a](a.md), [the cell](../cubelib/cell.py), [`cubelib/cell.py`](../cubelib/cell.py), `x[i](n)`"
    text += "\n```\nf[a](b)\n```"
    (project / "docs" / "a.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(course, "find_course", lambda: project)
    course.write_course(tmp_path / "out")
    expected = text.replace("[the cell](../cubelib/cell.py)", "the cell (`cubelib/cell.py`)")
    expected = expected.replace("[`cubelib/cell.py`](../cubelib/cell.py)", "`cubelib/cell.py`")
    assert (tmp_path / "out" / "docs" / "a.md").read_text(encoding="utf-8") == expected


def test_a_student_s_notebook_runs_and_gives_what_is_stored(copies, tmp_path):
    """Up to its first exercise; all of it is run with the solutions in."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copytree(copies["student"] / "config", tmp_path / "config")
    notebook = form.read(copies["student"] / "notebooks" / NAMES[0])
    exercise = next(number for number, cell in enumerate(notebook.cells) if "= check." in cell.source)
    notebook.cells = notebook.cells[: exercise + 1]
    nbformat.write(notebook, folder / NAMES[0])
    shutil.copy(ROOT / "conftest.py", folder)
    summary, told = form.run_nbval(folder, os.environ | {"CUBELIB_CACHE": str(tmp_path / "cache")})
    assert "passed" in summary and "failed" not in summary, told
    assert not (tmp_path / "cache" / "progress").exists()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote_and_how_to_open_it(tmp_path, capsys):
    out = tmp_path / "class"
    assert main(["course", str(out), "--student"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote {out}: {len(NAMES)} notebooks without their 31 solutions in {out / 'notebooks'}")
    assert f'python -m jupyter lab "{out / "notebooks"}"' in said
    assert sorted(path.name for path in out.iterdir()) == ["LICENSE", "README.md", "config", "docs", "notebooks"]
    assert main(["course", str(out)]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"cubelib course: {out} holds LICENSE, README.md, config and 2 more. It was left as it is. "
        "Give the name of a new folder, or remove this one.\n"
    )


def test_what_is_there_is_named_and_left(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    for name, held in (("empty", "is an empty folder"), ("file", "is a file")):
        assert main(["course", str(tmp_path / name), "--slides"]) == 2
        assert f"{tmp_path / name} {held}. It was left as it is." in capsys.readouterr().err
    assert main(["course", str(tmp_path / "file" / "below")]) == 2
    assert (
        f"{tmp_path / 'file'} is a file, so {tmp_path / 'file' / 'below'} cannot be in it." in capsys.readouterr().err
    )
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "give a new folder OUT, or --progress, or --reset-progress."),
        (["--student"], "give a new folder OUT, or --progress, or --reset-progress."),
        (["out", "--progress"], "give a new folder OUT, or --progress, or --reset-progress."),
        (["--progress", "--slides"], "--student and --slides need a new folder OUT."),
        (
            ["out", "--student", "--slides"],
            "give --student or --slides, and each its own folder OUT. Slides never hold solutions.",
        ),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(words, error, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["course", *words]) == 2
    assert capsys.readouterr().err == f"cubelib course: {error}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(notebook):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(course, "without_solutions", fail)
    with pytest.raises(ValueError, match=r"cannot write .*class \(No space left on device\)"):
        course.write_course(tmp_path / "class", student=True)
    assert list(tmp_path.iterdir()) == []


def test_where_the_notebooks_are_missing_it_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "FIRST", "notebooks/99_nowhere.ipynb")
    with pytest.raises(ValueError, match=r"Found no notebooks\. Looked for .*99_nowhere.*share.*python -m pip install"):
        course.write_course(tmp_path / "class")


def test_an_installed_course_is_found(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "notebooks", tmp_path / "share" / "cubelib" / "notebooks")
    monkeypatch.setattr(course, "__file__", str(tmp_path / "site-packages" / "cubelib" / "cli" / "course.py"))
    monkeypatch.setattr(course.sysconfig, "get_path", lambda name: str(tmp_path))
    assert course.find_course() == tmp_path / "share" / "cubelib"


# --- slides: what is shown -------------------------------------------------------------------------------------------


def cells(*sources: str | dict) -> dict:
    made = [{"cell_type": "markdown", "source": [s]} if isinstance(s, str) else s for s in sources]
    return {"cells": made}


def code(source: str, *outputs: dict, **metadata: str) -> dict:
    return {"cell_type": "code", "source": [source], "outputs": list(outputs), "metadata": metadata}


def shown(slide: Slide) -> str:
    return "\n".join(content for _, content, _ in slide.blocks)


PRINTED = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
PICTURE = {"output_type": "display_data", "data": {"image/png": "iVBORw0K\n", "text/plain": "<Figure>"}, "metadata": {}}


def test_a_section_becomes_its_slides_and_the_prose_becomes_notes():
    notebook = cells(
        "# 00 · Title\n\nWhat is the question?\n\n**You will**\n\n- *see* it.\n\n**Before you start.** Nothing.",
        "## 1 · First\n\nA short lead. " + "Much more prose. " * 30,
        "**Predict.** How many?",
        code("print(1)", PRINTED),
        "It is one. **This is what matters.** And more.\n\n<details><summary>Hint</summary>\n\nSecret.\n\n</details>",
        code("plot()", PICTURE, alt="A line that rises."),
        "## Summary\n\n- It is one.\n\n**What this does not show.** All else.",
        "## Five questions\n\n1. Why?\n\n<details><summary>Answers</summary>\n\n1. Secret.\n\n</details>",
        "## Links\n\n- <https://example.org>",
    )
    slides = [slide for section in slides_of(notebook) for slide in section]
    assert [slide.kind for slide in slides] == [
        "title", "list", "section", "predict", "code", "conclusion", "picture", "section", "summary",
    ]  # fmt: skip
    title, aims, section, predict, printed, conclusion, picture, questions, summary = slides
    assert shown(title) == "What is the question?" and shown(aims) == "**You will**\n\n- *see* it."
    assert title.notes == [] and shown(predict) == "**Predict.** How many?"
    assert shown(section).startswith("A short lead.") and len(shown(section).split()) <= 45
    assert "Much more prose." in section.notes[0] and "It is one." in printed.notes[0]
    assert printed.blocks == [("code", "print(1)", ""), ("text", "1", "")]
    assert shown(conclusion) == "This is what matters."
    assert picture.blocks == [("picture", "iVBORw0K", "A line that rises.")]
    assert shown(questions) == "1. Why?" and shown(summary) == "- It is one."
    made = page(slides_of(notebook))
    assert "Secret" not in made and 'alt="A line that rises."' in made and "example.org" not in made


def test_what_a_cell_prints_beside_a_picture_follows_the_picture():
    long = {**PRINTED, "text": ["line\n"] * 5}
    notebook = cells("# T", "## 1 · A", code("plot(x)", PRINTED, PICTURE), code("plot(y)", long, PICTURE))
    slides = [slide for section in slides_of(notebook) for slide in section][2:]
    assert [[form for form, _, _ in slide.blocks] for slide in slides] == [["picture", "text"], ["picture"], ["text"]]


def test_functions_that_fill_a_slide_are_not_joined():
    function = "def f(x):\n" + "    x = x + 1\n" * 5 + "    return x"
    slides = [slide for section in slides_of(cells("# T", "## 1 · A", *[code(function)] * 3)) for slide in section][2:]
    assert [len(slide.blocks) for slide in slides] == [2, 1]


def test_an_exercise_shows_its_task_and_stub_and_no_check():
    stub = 'def f(x):\n    """Twice x."""\n    raise NotImplementedError("Exercise 1.1: write f")'
    notebook = cells(
        "# T",
        "## 1 · A",
        "### Exercise 1.1 · Twice\n\nDouble it.\n\nAny number.",
        code(stub),
        code("f = check.a.f(f)", PRINTED),
        "Done.",
    )
    (slide,) = [slide for section in slides_of(notebook) for slide in section if slide.kind == "exercise"]
    assert [content for _, content, _ in slide.blocks[:2]] == ["Double it.", "Any number."]
    assert slide.blocks[2] == ("code", 'def f(x):\n    """Twice x."""\n    ...', "")
    assert len(slide.blocks) == 3 and slide.notes == ["Done."]
    assert "NotImplementedError" not in page(slides_of(notebook))


def test_long_code_and_long_output_are_left_out():
    many = {**PRINTED, "text": ["line\n"] * 30}
    short = "def f(x):\n    return x"
    sources = [code("\n".join(["x = 1"] * 20)), code("print(y)", many), code(short), code("x = 1")]
    slides = [slide for section in slides_of(cells("# T", "## 1 · A", *sources)) for slide in section]
    assert [shown(slide) for slide in slides] == ["", "", f"{short}\nx = 1"]


def test_a_formula_is_drawn_and_markup_in_a_text_is_shown_as_it_is():
    notebook = cells(
        "# T", "## 1 · <script>", r"$$a_\text{out} \cdot V$$", "and $W$ <b>bold</b> & `<i>`", r"$$\nonsense{$$"
    )
    made = page(slides_of(notebook))
    assert made.count('role="img"') == 2 and r'aria-label="a_\text{out} \cdot V"' in made
    assert r"<code>\nonsense{</code>" in made
    assert "<b>bold" not in made and "1 · &lt;script&gt;" in made


def test_all_notebooks_become_slides_with_pictures_in_words(tmp_path):
    assert main(["course", str(tmp_path / "slides"), "--slides"]) == 0
    paths = sorted((tmp_path / "slides").iterdir())
    assert [path.stem for path in paths] == [Path(name).stem for name in NAMES]
    for path, name in zip(paths, NAMES, strict=True):
        made = path.read_text(encoding="utf-8")
        notebook = form.read(ROOT / "notebooks" / name)
        words = [
            output.metadata.get("image/png", {}).get("alt") or cell.metadata.get("alt", "")
            for cell in form.code_cells(notebook)
            for output in cell.outputs
            if "image/png" in output.get("data", {})
        ]
        assert re.findall(r'<img alt="([^"]*)"', made) == list(map(html.escape, words))
        assert made.count('class="predict') >= sum("**Predict" in cell.source for cell in notebook.cells) > 0
        assert not re.search(r'(src|href)="(?!data:image/png|#)', made.split("<script>")[0])
        assert made.rindex('class="summary') > made.rindex('class="section')
