"""What the documents promise: their code runs, what they link and name exists, nothing is left out."""

import pkgutil
import re
from pathlib import Path

import pytest
import yaml

import cubelib

ROOT = Path(__file__).parents[1]
DOCUMENTS = [path for folder in (".", "docs", "benchmarks/results") for path in sorted((ROOT / folder).glob("*.md"))]


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


@pytest.mark.filterwarnings("ignore::cubelib.data.readers.SkippedRows")  # docs/data.md shows one
@pytest.mark.parametrize("path", list(filter(python_blocks, DOCUMENTS)), ids=lambda path: path.name)
def test_the_python_blocks_run_in_order(path, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    session: dict[str, object] = {}
    for block in python_blocks(path):
        exec(compile(block, path.name, "exec"), session)
    if path.name == "examples.md":
        assert _promised(python_blocks(path)) <= set(capsys.readouterr().out.split("\n"))


def _promised(blocks: list[str]) -> set[str]:
    """What the comments after print say will be printed, where they give it in full."""
    comments = re.findall(r"print\(.*\)  # (.*)", "\n".join(blocks))
    known = ("torch.Size", "True", "EmbeddingReshaper(")
    tails = [comment[comment.index(word) :] for comment in comments for word in known if word in comment]
    assert len(tails) >= 5
    return set(tails)


@every_document
def test_what_a_document_links_or_names_exists(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("    "))  # formulas are indented
    links = re.findall(r"\]\(([^)#:]+)[)#]", text)
    files = re.findall(r"`((?:cubelib|tests|docs|scripts|benchmarks|config|notebooks)/[\w/.]+)`", text)
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [file for file in files if not (ROOT / file).exists()] == []
    for name in re.findall(r"`(cubelib(?:\.\w+)+)", text):
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.mmd"])
def test_the_maps_show_every_room(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "cubelib").glob("*/__init__.py")} | {"reshaper.py"}
    assert [room for room in sorted(rooms) if room not in text] == []


def test_the_diagram_names_public_parts():
    diagram = (ROOT / "docs" / "architecture.mmd").read_text(encoding="utf-8")
    assert diagram.startswith("flowchart")
    assert [name for name in cubelib.__all__ if name not in diagram] == []


def test_the_readme_shows_each_notebook():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks
    assert [path.name for path in notebooks if f"notebooks/{path.name}" not in readme] == []


def test_conda_and_pip_install_the_same_packages():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    names = [*(entry for entry in conda if isinstance(entry, str)), *conda[-1]["pip"]]
    of_conda = {re.split(r"[=<>]", name)[0].lower().replace("pytorch-cpu", "torch") for name in names}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    of_pip = {line.split("==")[0].lower() for line in lines if line and not line.startswith("#")}
    # conda's packages bring transformers along, and need Python and pip named.
    assert of_pip - of_conda == {"transformers"}
    assert of_conda - of_pip == {"python", "pip"}
