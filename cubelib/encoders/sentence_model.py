"""A sentence-transformers model on this machine: who it is, without loading it, and its vectors, when they are needed.

Its identity is the SHA-256 of its weights and a tag for all other files that shape a vector; the cache files vectors
under both. The model is loaded at the first text, from local files only. The only kind that ever opens a connection is
`HubModel`, and only for what is not on this machine yet.

Taught in notebook 01.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from cubelib.data.hub import download
from cubelib.device import find_device
from cubelib.encoders.fingerprint import check_files, shaping_files, vector_tag, weights_sha256
from cubelib.encoders.text_model import unit_rows
from cubelib.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

HUB = "hub:"

_NO_LIMIT = 1e9  # tokens; transformers writes "no limit" as 1e30
_FETCHED = ["*.safetensors", "*.json", "*.txt", "*.model"]  # no pickles, no code


class SentenceModel:
    """A sentence-transformers model whose files are known by their SHA-256.

    Args:
        name: what it was asked for by.
        files: name → SHA-256 of the files in its folder that shape its vectors.
        device: where it runs: "cpu", "cuda", "cuda:1", "mps", or "auto".
        known_dim: numbers in a vector, if that is known before it is loaded.

    Attributes:
        sha256, tag, known_dim, longest, state: see `cubelib.encoders.text_model.TextModel`.

    Raises:
        ConfigError: this machine has no such device.
    """

    def __init__(self, name: str, files: Mapping[str, str], device: str, known_dim: int | None = None) -> None:
        self.name = name
        self.sha256 = weights_sha256(files)
        self.tag = vector_tag(files)
        self.known_dim = known_dim
        self.longest: int | None = None
        self._files = files
        self._device = _sentence_device(device)
        self._model: SentenceTransformer | None = None

    def checked_folder(self, progress: bool = True) -> Path:
        """The model's folder, after a look at whether its files are still the ones they were."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        return "model loaded" if self._model else "model not loaded"

    def load(self, progress: bool = False) -> None:
        """Check the files, then load them, once. Raises what `TeacherEncoder.encode` says."""
        if self._model is not None:
            return
        folder = self.checked_folder(progress)
        with tqdm(desc=f"Loading {self.name}", bar_format="{desc} … {elapsed}", leave=False, disable=not progress):
            self._model = _load_offline(folder, self._device)
        limit = self._model.max_seq_length or math.inf
        counts = hasattr(self._model.tokenizer, "num_special_tokens_to_add")  # those without read a text to its end
        self.longest = int(limit) if counts and limit < _NO_LIMIT else None

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Encode one batch: `(n, dim)` float32, rows of unit length."""
        self.load()
        rows = self._model.encode(list(texts), batch_size=len(texts), show_progress_bar=False)
        return unit_rows(rows, texts, self)

    def too_long(self, texts: Sequence[str]) -> list[bool]:
        """For each text whether it has more tokens than the model reads. Only texts of many bytes are looked at."""
        self.load()
        if self.longest is None:
            return [False] * len(texts)
        tokenizer = self._model.tokenizer
        prompt = self._model.prompts.get(self._model.default_prompt_name) or ""
        around = len(prompt.encode()) + tokenizer.num_special_tokens_to_add() + 1  # and one for a leading blank
        found = [around + _most_tokens(text) > self.longest for text in texts]
        doubtful = [prompt + text for text, long in zip(texts, found, strict=True) if long]
        if doubtful:
            counted = iter(tokenizer(doubtful, truncation=False, padding=False, verbose=False)["input_ids"])
            found = [long and len(next(counted)) > self.longest for long in found]
        return found


class LocalFolder(SentenceModel):
    """A folder made by `SentenceTransformer.save_pretrained`.

    Args:
        folder: its path.
        device: where it runs.
        name: what it was asked for by; the path if left out.

    Raises:
        DataError: it holds no such model, or one that needs pickles or code of its own.
    """

    def __init__(self, folder: str | Path, device: str, name: str | None = None) -> None:
        self._folder = Path(folder).resolve()
        files = shaping_files(self._folder) if (self._folder / "modules.json").is_file() else {}
        if not any(name.endswith(".safetensors") for name in files):
            lacking = "safetensors weights" if files else "modules.json"
            raise DataError(
                f"TeacherEncoder: {folder} is no folder of a sentence-transformers model with safetensors weights: "
                f"it has no {lacking}. Make one with SentenceTransformer(...).save_pretrained({str(folder)!r})."
            )
        _refuse_foreign_code(self._folder)
        super().__init__(name or str(folder), files, device, known_dim=_written_width(self._folder))

    def checked_folder(self, progress: bool = True) -> Path:
        check_files(self._folder, self._files, "It has changed since; make a new TeacherEncoder of it.")
        return self._folder


class HubModel(LocalFolder):
    """A sentence-transformers model of the Hugging Face hub, downloaded if it is not on this machine yet.

    Args:
        name: "hub:organization/name", or "hub:organization/name@revision".
        device: where it runs.

    Raises:
        ConfigError, DataError, UserError, ModuleNotFoundError: see `cubelib.data.hub.download`, and `LocalFolder`.
    """

    def __init__(self, name: str, device: str) -> None:
        _sentence_device(device)  # a mistake in it is told before anything is downloaded
        repository, _, revision = name.removeprefix(HUB).partition("@")
        required = ["modules.json", "*.safetensors"]
        folder = download(repository, kind="model", revision=revision or None, patterns=_FETCHED, required=required)
        super().__init__(folder, device, name)


def _sentence_device(name: str) -> str:
    import torch

    if name != "mps":
        return str(find_device(name))
    if not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' was asked for, but torch finds no Apple GPU. Use device: cpu or auto.")
    return name


def _most_tokens(text: str) -> int:
    """No tokenizer makes more of a text than it has bytes, as it stands or taken apart by the usual normalizations."""
    if text.isascii():
        return len(text)
    forms = [text, unicodedata.normalize("NFD", text), unicodedata.normalize("NFKD", text)]  # NFC, NFKC are no longer
    return max(len(form.encode()) for form in forms)


def _refuse_foreign_code(folder: Path) -> None:
    for module in json.loads((folder / "modules.json").read_text(encoding="utf-8")):
        if not module["type"].startswith("sentence_transformers."):
            raise DataError(
                f"TeacherEncoder: the model in {folder} runs code of its own ({module['type']}), which cubelib does "
                "not. Load it yourself and pass its encode method: TeacherEncoder(model.encode, name='...')."
            )
    for pickle in sorted(folder.rglob("pytorch_model.bin")):
        if not any(pickle.parent.glob("*.safetensors")):
            raise DataError(
                f"TeacherEncoder: {pickle} is a pickle, which can run code. Save the model again with a recent "
                "sentence-transformers; it writes model.safetensors instead."
            )


def _written_width(folder: Path) -> int | None:
    """Numbers in a vector as the model's settings say; None where they leave it open, then its first vectors tell."""
    width = None
    try:
        if _settings(folder / "config_sentence_transformers.json").get("truncate_dim"):
            return None
        for module in json.loads((folder / "modules.json").read_text(encoding="utf-8")):
            kind, settings = module["type"].rsplit(".", 1)[-1], _settings(folder / module["path"] / "config.json")
            if settings.get("module_output_name") not in (None, "sentence_embedding"):
                return None
            if kind == "Pooling":
                modes = settings.get("pooling_mode") or [
                    name for name, used in settings.items() if name.startswith("pooling_mode_") and used
                ]
                # Vectors pooled in several ways stand one after the other.
                count = 1 if isinstance(modes, str) else len(modes)
                width = count * settings.get("word_embedding_dimension", settings.get("embedding_dimension"))
            elif kind == "Dense":
                width = settings["out_features"]
            elif kind not in ("Transformer", "Normalize", "LayerNorm", "Dropout"):
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # of another kind; loading it will tell
        return None
    return width if isinstance(width, int) and width > 0 else None


def _settings(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@contextmanager
def _no_connection() -> Iterator[None]:
    """While it lasts, the hub's library refuses to open a connection; after it, `HubModel` can download again."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _load_offline(folder: Path, device: str) -> SentenceTransformer:
    try:
        from safetensors import SafetensorError
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
        with _no_connection():
            return SentenceTransformer(
                str(folder), device=device, local_files_only=True, model_kwargs={"use_safetensors": True}
            )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"TeacherEncoder: sentence-transformers cannot load the model in {folder}: {reason}. Its files may be "
            "damaged or incomplete, or of a kind that this version of the library does not know."
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()
