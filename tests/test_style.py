"""The code keeps its own rules: lint, types, the order of the rooms, and a size that one person can read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "cubelib").rglob("*.py"))
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}

BUDGET = {"cubelib": 16_250, "tests": 14_030}  # lines of code, without blank lines, comments and docstrings; lower it
LONGEST_MODULE = 400  # lines, docstrings included
MOST_ENTRIES = 14  # at the top of cubelib, beside __init__.py, __main__.py and py.typed
HEAVY = "torch sentence_transformers transformers huggingface_hub sklearn scipy pandas pyarrow matplotlib ipywidgets"
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-m", "ruff", "check", "--no-cache", "."), id="lint"),
        pytest.param(("-m", "ruff", "format", "--check", "--no-cache", "."), id="format"),
        pytest.param(("-m", "mypy", "--strict", "cubelib"), id="types"),
        pytest.param(("-c", LINT_IMPORTS, "--no-cache"), id="rooms"),  # the order is in pyproject.toml
    ],
)
def test_the_tools_have_no_complaint(arguments):
    run = python(*arguments)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_code_keeps_to_its_budget():
    totals = re.findall(r"([\d,]+)  (cubelib|tests)\n", python("scripts/count_lines.py").stdout)
    lines = {folder: int(total.replace(",", "")) for total, folder in totals}
    assert lines.keys() == BUDGET.keys()
    assert {folder: total for folder, total in lines.items() if total > BUDGET[folder]} == {}


def test_no_module_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_the_top_of_the_package_is_seen_at_a_glance():
    beside = {"__init__.py", "__main__.py", "py.typed", "__pycache__"}
    entries = {path.name for path in (ROOT / "cubelib").iterdir()} - beside
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_importing_the_package_loads_nothing_heavy():
    run = python("-c", f"import sys, cubelib; print(sorted(set({HEAVY!r}.split()) & set(sys.modules)))")
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def public_names(tree: ast.Module) -> set[str]:
    """What a module offers: `__all__` if it has one, else its functions and classes without an underscore."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
    return {name for name in names if not name.startswith("_")}


def taught(tree: ast.Module) -> set[str]:
    """The numbers of the notebooks that the docstrings of a module point to."""
    places = [tree, *(node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef)))]
    lines = [line for node in places for line in re.findall(r"Taught in ([^.]+)", ast.get_docstring(node) or "")]
    return {number for line in lines for number in re.findall(r"\d\d", line) or NOTEBOOKS}


def test_a_docstring_points_to_a_notebook_that_uses_the_module():
    sources = {
        number: "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for number, path in NOTEBOOKS.items()
    }
    untrue = []
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        names = "|".join(map(re.escape, {module, path.relative_to(ROOT).as_posix(), *public_names(tree)}))
        mention = rf"\b({names})\b|import [\w, ]*\b{module.rpartition('.')[2]}\b"
        for number in taught(tree):
            if not re.search(mention, sources.get(number, "")):
                untrue.append(f"{path.relative_to(ROOT)}: notebook {number}")
    assert untrue == []
