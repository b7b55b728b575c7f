"""A run does not depend on the folder it was started in, nor on the place of its data."""

import json
import shutil

import numpy as np
import pytest

from cubelib.__main__ import main
from cubelib.training.checkpoint import load_checkpoint

SMALL = """cube_training:
  embedding_dim: auto
  lattice_size: [3, 2, 2]
  epochs: 2
  batch_size: 8
  save_interval: 1
  data: {file: data/mine.npy}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with data and a run, trained from inside it with relative paths; the tests are elsewhere."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    np.save(folder / "data" / "mine.npy", np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32))
    (folder / "job.yaml").write_text(SMALL)
    monkeypatch.chdir(folder)
    assert main(["train", "job.yaml"]) == 0
    monkeypatch.chdir(tmp_path)
    return folder


def works(capsys, *words: object, code: int = 0) -> str:
    assert main([str(word) for word in words]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def commands(run):
    yield "evaluate", run, "--baselines", "none"
    yield "train", "--resume", run, "--epochs", "3", "--early-stopping-patience", "9"


def test_a_run_is_used_from_any_folder_and_moves_with_its_data(project, capsys, tmp_path):
    for words in commands(project / "runs" / "autoencoder-001"):
        works(capsys, *words)
    project.rename(tmp_path / "moved")
    run = tmp_path / "moved" / "runs" / "autoencoder-001"
    for words in commands(run):
        works(capsys, *words)
    assert load_checkpoint(run).config["data"]["file"] == str(tmp_path / "moved" / "data" / "mine.npy")


def test_data_that_moved_alone_are_named_and_recognized(project, capsys, tmp_path):
    run = project / "runs" / "autoencoder-001"
    new = tmp_path / "elsewhere.npy"
    shutil.move(project / "data" / "mine.npy", new)
    for words in commands(run):
        told = works(capsys, *words, code=2)
        assert "mine.npy. Name the place where they are now with --data.file; a fingerprint tells" in told
    for words in commands(run):
        works(capsys, *words, "--data.file", new)
    np.save(new, np.load(new)[::-1])
    assert "have changed since training" in works(capsys, "evaluate", run, "--data.file", new, code=2)
    told = works(capsys, "train", "--resume", run, "--epochs", "9", "--data.file", new, code=2)
    assert "trained on other items" in told


def test_names_are_no_paths(project):
    state = json.loads((project / "runs" / "autoencoder-001" / "checkpoint" / "checkpoint.json").read_text())
    assert state["config"]["data"]["teacher"] == "all-mpnet-base-v2"
    assert list(state["relative_paths"].values()) == ["../../../data/mine.npy"]
    assert state["config"]["embedding_dim"] == 12
    assert state["provenance"]["prompts"] == {"query": "", "document": ""}
