"""What the tests of this folder share: a tiny real model, one that must not be loaded, a cache that fills."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import make_tiny_model

from cubelib.encoders import sentence_model
from cubelib.encoders.cache import EmbeddingCache


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def no_model(monkeypatch) -> None:
    def refuse(folder, device):
        raise AssertionError(f"the model in {folder} was loaded")

    monkeypatch.setattr(sentence_model, "_load_local", refuse)


@pytest.fixture
def wait_until_stored() -> Callable[[subprocess.Popen, Path, int], None]:
    """Waits until a process has put so many vectors into a cache."""

    def wait(process: subprocess.Popen, cache_dir: Path, count: int) -> None:
        stored = 0
        while stored < count:
            time.sleep(0.02)
            assert process.poll() is None, process.communicate()
            if (cache_dir / "embeddings.sqlite3").exists():
                with EmbeddingCache(cache_dir) as cache:
                    stored = len(cache)

    return wait
