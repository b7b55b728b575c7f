"""Any function as the model behind a `TeacherEncoder`: list of texts → numbers.

Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from cubelib.encoders.text_model import unit_rows
from cubelib.errors import ConfigError, DataError


class FunctionModel:
    """A function or any other callable.

    Args:
        function: takes a list of str, gives `(n, dim)` numbers: a NumPy array, a torch tensor, a list of lists.
        name: files its vectors in the cache; whoever gives it vouches that under one name one text always has one
            vector. None: nothing is cached.
        device: "cpu"; a function chooses its device itself.

    Raises:
        ConfigError: an empty name, or a device.

    Example:
        >>> model = FunctionModel(lambda texts: [[len(text), 0.0] for text in texts], name="length", device="cpu")
        >>> model.vectors(["one", "three"]), model.state
        (array([[1., 0.],
               [1., 0.]], dtype=float32), 'a function, cached under this name')
    """

    longest = None

    def __init__(self, function: Callable[[list[str]], object], *, name: str | None, device: str) -> None:
        if device not in ("cpu", "auto"):
            raise ConfigError(
                f"TeacherEncoder: device={device!r} has no meaning for a function. Put its model there yourself, then "
                "leave device out."
            )
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise ConfigError(
                f"TeacherEncoder: name={name!r} is no name for a function. Use a text such as 'my-model-v1', or leave "
                "it out to cache nothing."
            )
        self.name = name or getattr(function, "__qualname__", type(function).__qualname__)
        self.sha256 = None if name is None else hashlib.sha256(f"function {name}".encode()).hexdigest()
        self.tag = "unit-length function"
        self.known_dim: int | None = None
        self._function = function

    @property
    def state(self) -> str:
        if self.sha256 is None:
            return "a function, cached nowhere as it was given no name=..."
        return "a function, cached under this name"

    def load(self, progress: bool = False) -> None:
        """Nothing to do: a function is there."""

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        rows = self._function(list(texts))
        if isinstance(rows, torch.Tensor):
            rows = rows.detach().cpu().double().numpy()
        try:
            rows = np.asarray(rows)
        except ValueError as error:  # rows of several widths
            raise DataError(
                f"TeacherEncoder: what {self.name} made of {len(texts)} texts is no table of numbers ({error}). "
                f"Expected {len(texts)} rows of one width."
            ) from error
        return unit_rows(rows, texts, self)

    def too_long(self, texts: Sequence[str]) -> list[bool]:
        return [False] * len(texts)
