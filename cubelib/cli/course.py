"""The course in a folder of its own: `python -m cubelib course OUT`, with solutions, without them, or as slides.

The folder is laid out like the project, so that the links and settings of the notebooks keep working: `notebooks/`,
`docs/`, `config/` and the README. Stored outputs are kept.
"""

from __future__ import annotations

import json
import os
import re
import site
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cubelib.errors import DataError, UserError
from cubelib.files import new_target

Notebook = dict[str, Any]

FIRST = "notebooks/00_start_here.ipynb"
FILES = ("notebooks/*.ipynb", "docs/*.*", "config/cube_training.yaml", "README.md", "LICENSE")
SOLUTION = re.compile(r"<details>\s*<summary>Solution</summary>.*?</details>", re.DOTALL)
ANSWERS = re.compile(r"<details>\s*<summary>Answers?</summary>.*?</details>", re.DOTALL)
QUESTIONS = re.compile(r"^## [^\n]*questions", re.MULTILINE | re.IGNORECASE)
LINK = re.compile(r"```.*?```|`[^`\n]+`|(?<!!)\[([^\]]+)\]\(([^)\s#:]+)(?:#[^)\s]*)?\)", re.DOTALL)  # or code


def write_course(out: Path, *, student: bool = False, slides: bool = False) -> str:
    """Writes the course to a new folder, whole or not at all.

    Args:
        out: the folder.
        student: whether solutions, and answers to the questions at the end, are left out.
        slides: whether to write slides, one HTML file a notebook, and no notebooks.

    Returns:
        What was written, and how to open it.

    Raises:
        DataError: something is there already.
        UserError: the notebooks are not found, or the folder cannot be written.
    """
    refuse_existing(out)
    root = find_course()
    with new_target(out, "Copying") as aside:
        aside.mkdir()
        if slides:
            return _write_slides(root, aside, out)
        return _write_notebooks(root, aside, out, student)


def find_course() -> Path:
    """The folder that holds `notebooks/`, `docs/` and `config/`: the project, or what pip has installed of it.

    Raises:
        UserError: there is none.
    """
    project = Path(__file__).parents[2]
    bases = [Path(sysconfig.get_path("data")), project, Path(site.getuserbase())]
    places = [project, *(base / "share" / "cubelib" for base in bases)]
    for place in places:
        if (place / FIRST).is_file():
            return place
    raise UserError(
        f"Found no notebooks. Looked for {FIRST} in {', '.join(map(str, dict.fromkeys(places)))}. Install "
        'cubelib from the folder of the project: python -m pip install "FOLDER".'
    )


def refuse_existing(out: Path) -> None:
    """Refuses a name that is taken, or that is below a file.

    Raises:
        DataError: says what is there.
    """
    for parent in out.parents:
        if parent.is_file():
            raise DataError(f"{parent} is a file, so {out} cannot be in it. Give the name of a new folder.")
    if not out.exists() and not out.is_symlink():
        return
    held = "is a file"
    if out.is_dir():
        names = sorted(path.name for path in out.iterdir())
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        held = f"holds {', '.join(names[:3])}{more}" if names else "is an empty folder"
    raise DataError(f"{out} {held}. It was left as it is. Give the name of a new folder, or remove this one.")


def without_solutions(notebook: Notebook) -> int:
    """Takes the solutions and the answers to the questions at the end out of a notebook; hints stay.

    Returns:
        How many solutions were taken out.
    """
    count, at_questions = 0, False
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text = source_of(cell)
        text, found = SOLUTION.subn("*Solution: ask your instructor.*", text)
        heading = QUESTIONS.search(text)
        if at_questions or heading:
            before = 0 if at_questions or heading is None else heading.end()
            text = text[:before] + ANSWERS.sub("*Answers: ask your instructor.*", text[before:])
            at_questions = not re.search(r"^## ", text[before:], re.MULTILINE)
        count += found
        cell["source"] = text
    return count


def source_of(cell: dict[str, Any]) -> str:
    """The text of a notebook's cell, which a file may hold line by line."""
    return "".join(cell["source"])


def _write_notebooks(root: Path, aside: Path, out: Path, student: bool) -> str:
    copied = sorted(path for pattern in FILES for path in root.glob(pattern) if path.is_file())
    count, solutions = 0, 0
    for path in copied:
        target = aside / path.relative_to(root)
        target.parent.mkdir(exist_ok=True)
        unlink = _unlinker(path, root, copied)
        if path.suffix == ".ipynb":
            notebook = read_notebook(path)
            if student:
                solutions += without_solutions(notebook)
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    cell["source"] = LINK.sub(unlink, source_of(cell))
            target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            count += 1
        elif path.suffix == ".md":
            target.write_text(LINK.sub(unlink, path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            target.write_bytes(path.read_bytes())
    kind = f"without their {solutions} solutions" if student else "with solutions"
    return (
        f"Wrote {out}: {count} notebooks {kind} in {out / 'notebooks'}, and the documents that they link to.\n"
        f'Open them with: python -m jupyter lab "{out / "notebooks"}"'
    )


def _write_slides(root: Path, aside: Path, out: Path) -> str:
    from cubelib.cli.slides import slides_of
    from cubelib.cli.slides_page import page

    paths = sorted((root / "notebooks").glob("*.ipynb"))
    for path in paths:
        (aside / f"{path.stem}.html").write_text(page(slides_of(read_notebook(path))), encoding="utf-8")
    return (
        f"Wrote {out}: slides of {len(paths)} notebooks, one HTML file each, which need no network.\n"
        f"Open {out / paths[0].stem}.html in a browser. → goes on, Esc shows all slides, S opens the speaker's notes."
    )


def read_notebook(path: Path) -> Notebook:
    """A notebook as a dict; only the standard library is needed."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def _unlinker(path: Path, root: Path, copied: list[Path]) -> Callable[[re.Match[str]], str]:
    """Turns a link to what is not copied into its text and the place in the project; code is left as it is."""
    kept = {file.resolve() for file in copied}

    def replacement(link: re.Match[str]) -> str:
        if link[2] is None:  # code
            return link[0]
        target = (path.parent / link[2]).resolve()
        if target in kept:
            return link[0]
        text, place = link[1], Path(os.path.relpath(target, root.resolve())).as_posix()
        return text if text.strip("`") in place else f"{text} (`{place}`)"

    return replacement
