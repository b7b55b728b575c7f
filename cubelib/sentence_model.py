"""A sentence-transformers model on this machine: who it is, without loading it, and its vectors, when they are needed.

Its identity is the SHA-256 of its weights and a tag for all other files that shape a vector; the cache files vectors
under both. The model is loaded at the first text, from local files only; no connection is ever opened.

Taught in notebook 01.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from cubelib import teacher
from cubelib.errors import ConfigError, DataError
from cubelib.identity import WEIGHTS, check_files, sha256_of, vector_tag

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SHAPING = {".json", ".txt", ".model", ".safetensors"}  # files of these kinds decide what vector a text gets


def _local_files(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of the files of a sentence-transformers folder that shape its vectors."""
    for name in ("modules.json", WEIGHTS):
        if not (folder / name).is_file():
            raise DataError(
                f"TeacherEncoder: {folder} is no folder of a sentence-transformers model with safetensors weights: "
                f"it has no {name}. Make one with SentenceTransformer(...).save_pretrained({str(folder)!r})."
            )
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SHAPING and path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}


class SentenceModel:
    """The real model behind a `TeacherEncoder`.

    Args:
        model: "all-mpnet-base-v2", or the path of a local sentence-transformers folder.
        cache_dir: the folder under which the default teacher is unpacked.
        device: where it runs.

    Attributes:
        name: the name or path.
        sha256: SHA-256 of its weights.
        tag: its tokenizer, pooling and settings in short, see `cubelib.identity.vector_tag`.
        known_dim: numbers in a vector; None while a local folder's model has not been loaded.

    Raises:
        ConfigError: the model is neither known by name nor a folder.
        DataError: the folder holds no such model.

    Example:
        >>> model = SentenceModel("all-mpnet-base-v2", Path("cache"), "cpu")
        >>> model.known_dim, model.is_loaded, model.sha256[:12]
        (768, False, '78c0197b6159')
    """

    def __init__(self, model: str | Path, cache_dir: Path, device: str) -> None:
        self.name = str(model)
        self.device = device
        self.known_dim: int | None = None
        self._cache_dir = cache_dir
        self._folder: Path | None = None  # None: the default teacher, unpacked when it is needed
        self._model: SentenceTransformer | None = None
        if self.name == teacher.NAME:
            self._files, self.known_dim = dict(teacher.FILES), teacher.DIM
        elif Path(model).is_dir():
            self._folder = Path(model).resolve()
            self._files = _local_files(self._folder)
        else:
            raise ConfigError(
                f"TeacherEncoder: unknown model {self.name!r}. Known: {teacher.NAME!r}, or the path of a local "
                "sentence-transformers folder. To use another model, save it where there is a connection with "
                f"SentenceTransformer({self.name!r}).save_pretrained('folder'), then use TeacherEncoder('folder')."
            )
        self.sha256 = self._files[WEIGHTS]
        self.tag = vector_tag(self._files)

    @property
    def is_loaded(self) -> bool:
        return self._model is not None

    def load(self, progress: bool = False) -> SentenceTransformer:
        """Check the files, then load them, once. Raises what `TeacherEncoder.encode` says."""
        if self._model is None:
            if self._folder is None:
                folder = teacher.teacher_folder(self._cache_dir)
            else:
                folder = self._folder
                check_files(folder, self._files, "It has changed since; make a new TeacherEncoder of it.")
            with tqdm(desc=f"Loading {self.name}", bar_format="{desc} … {elapsed}", leave=False, disable=not progress):
                self._model = _load_offline(folder, self.device)
            self.known_dim = self._model.get_embedding_dimension()
        return self._model

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Encode one batch: `(n, dim)` float32, rows of unit length."""
        rows = self.load().encode(list(texts), batch_size=len(texts), show_progress_bar=False).astype(np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise DataError(
                f"TeacherEncoder: {self.name} made vectors that are zero or not finite from the {len(texts)} texts "
                f"that begin with {texts[0][:40]!r}. Its weights may be damaged, or try device='cpu'."
            )
        return rows / lengths


def _load_offline(folder: Path, device: str) -> SentenceTransformer:
    # The libraries read these when they are imported, and refuse to open a connection from then on.
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"TeacherEncoder: texts outside the caches need the real model, and {error.name} is not installed. "
            "Install it with: python -m pip install sentence-transformers"
        ) from error
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return SentenceTransformer(
            str(folder), device=device, local_files_only=True, model_kwargs={"use_safetensors": True}
        )
    finally:
        if bars:
            logging.enable_progress_bar()
