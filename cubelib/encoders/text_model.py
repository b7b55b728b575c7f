"""What a `TeacherEncoder` needs of the model behind it, and what it demands of the rows the model makes.

Four kinds of model do this: a sentence-transformers folder (`cubelib.encoders.sentence_model`), the multilingual encoder of a
package (`cubelib.encoders.multilingual`), and any function (`cubelib.encoders.function_model`).

Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from cubelib.errors import DataError


class TextModel(Protocol):
    """A model that makes one vector of a text.

    Attributes:
        name: what it was asked for by.
        sha256: SHA-256 of its weights, its identity in the cache; None if its vectors must not be cached.
        tag: how it turns a text into a vector, the rest of its identity.
        known_dim: numbers in a vector; None until that is known, from the first vectors at the latest.
        longest: tokens it reads of a text, known once it is loaded; None if it reads all.
        state: one or two words for people: "model not loaded".
    """

    name: str
    sha256: str | None
    tag: str
    known_dim: int | None
    longest: int | None

    @property
    def state(self) -> str: ...

    def load(self, progress: bool = False) -> None:
        """Make it ready, once. Raises what `TeacherEncoder.encode` says."""

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Encode one batch: `(n, dim)` float32, rows of unit length."""

    def too_long(self, texts: Sequence[str]) -> list[bool]:
        """For each text whether it is longer than the model reads."""


def unit_rows(rows: np.ndarray, texts: Sequence[str], model: TextModel) -> np.ndarray:
    """Check what a model made of a batch of texts, and give every row the length 1.

    Args:
        rows: `(n, dim)` numbers.
        texts: the n texts.
        model: which made them; the first rows tell its `known_dim`.

    Returns:
        `(n, dim)` float32.

    Raises:
        DataError: another shape, a row that is zero or not finite, or another width than before.

    Example:
        >>> from cubelib.encoders.function_model import FunctionModel
        >>> model = FunctionModel(len, name=None, device="cpu")
        >>> unit_rows(np.array([[3, 4], [0, 5]]), ["one", "two"], model), model.known_dim
        (array([[0.6, 0.8],
               [0. , 1. ]], dtype=float32), 2)
    """
    begin = f"TeacherEncoder: {model.name}"
    of_texts = f"{len(texts)} texts that begin with {texts[0][:40]!r}"
    if rows.ndim != 2 or len(rows) != len(texts) or rows.shape[1] == 0:
        raise DataError(
            f"{begin} made an array of shape {rows.shape} of {of_texts}. Expected ({len(texts)}, dim): one row of "
            "numbers for each text, in their order."
        )
    if rows.dtype.kind not in "fiu":
        raise DataError(f"{begin} made {rows.dtype} of {of_texts}. Expected real numbers.")
    if model.known_dim not in (None, rows.shape[1]):
        raise DataError(
            f"{begin} made vectors of {rows.shape[1]} numbers of {of_texts}; before they had {model.known_dim}. One "
            "name stands for one width: give another model another name."
        )
    rows = rows.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise DataError(
            f"{begin} made vectors that are zero or not finite of {of_texts}. Its weights may be damaged, or try "
            "device='cpu'."
        )
    model.known_dim = rows.shape[1]
    return (rows / lengths).astype(np.float32)
