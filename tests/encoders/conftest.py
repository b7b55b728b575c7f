"""What the tests of this folder share: a tiny real model, and one that must not be loaded."""

from pathlib import Path

import pytest
from tiny_model import make_tiny_model

from cubelib.encoders import sentence_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def no_model(monkeypatch) -> None:
    def refuse(folder, device):
        raise AssertionError(f"the model in {folder} was loaded")

    monkeypatch.setattr(sentence_model, "_load_local", refuse)
