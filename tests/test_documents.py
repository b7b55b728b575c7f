"""What the documents promise: their code runs, their links lead somewhere, their diagram names what exists."""

import re
from pathlib import Path

import pytest
import yaml

import cubelib

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


RUN = ("examples", "data", "training", "damage", "views", "export")


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.filterwarnings("ignore::cubelib.data.readers.SkippedRows")  # docs/data.md shows one
@pytest.mark.parametrize("name", ["README.md", *(f"docs/{name}.md" for name in RUN)])
def test_the_python_blocks_run_in_order(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    blocks = python_blocks(ROOT / name)
    assert blocks
    session: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, name, "exec"), session)
    if name == "docs/examples.md":
        assert _promised(blocks) <= set(capsys.readouterr().out.split("\n"))


def _promised(blocks: list[str]) -> set[str]:
    """What the comments behind print say will be printed, where they give it whole."""
    comments = re.findall(r"print\(.*\)  # (.*)", "\n".join(blocks))
    known = ("torch.Size", "True", "EmbeddingReshaper(")
    tails = [comment[comment.index(word) :] for comment in comments for word in known if word in comment]
    assert len(tails) >= 5
    return set(tails)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_to_files(path):
    prose = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("    ")]
    links = re.findall(r"\]\(([^)#:]+)\)", "\n".join(prose))
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


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
