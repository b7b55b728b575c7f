"""What the widgets show, as plain functions: a text through a cube, through damaged cubes, and under all layouts.

    text ─teacher→ vector ─cube→ every state and what comes out          crossing
                          ─cubes with dead cells→ what is left           lesion
                          ─EmbeddingReshaper→ who holds which numbers    layouts

Taught in notebooks 00, 02 and 04.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import LAYOUTS, EmbeddingReshaper
from cubelib.training.cube import Cube
from cubelib.views.view3d.scene import travel


@dataclass(frozen=True, eq=False)
class Crossing:
    """A vector's way through a cube.

    Attributes:
        input: what went in, `(dim,)`.
        output: what came out, `(dim,)`.
        states: every state of every cell, `(steps + 1, depth, rows, columns, state_channels)`.
    """

    input: Tensor
    output: Tensor
    states: Tensor

    @property
    def cosine(self) -> float:
        """Of output and input, −1 … 1; 0 where nothing came out."""
        return EmbeddingMetrics.calculate_cosine_similarity(self.output[None], self.input[None])

    @property
    def strength(self) -> Tensor:
        """Length of each cell's state, `(steps + 1, depth, rows, columns)`."""
        return self.states.norm(dim=-1)

    @property
    def at_tick(self) -> list[list[int]]:
        """The planes that hold something, tick by tick."""
        return [planes.nonzero().flatten().tolist() for planes in self.strength.sum((2, 3))]


def vector_of(cube: Cube, text: str | Tensor) -> Tensor:
    """The vector of a text, `(dim,)`, by the cube's own teacher; a vector is handed through.

    Raises:
        DataError: an empty text, no teacher yet, or a teacher or vector of another width than the cube's.
    """
    dim = cube.config.embedding_dim
    if isinstance(text, Tensor):
        vector = text.reshape(-1).detach().cpu()
        if len(vector) != dim:
            raise DataError(f"The cube takes one vector of {dim} numbers; got a tensor of shape {tuple(text.shape)}.")
        return vector
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"There is nothing to send: the text is {text!r:.40}. Type a sentence, at least one letter.")
    teacher = cube.embedding_loader
    if teacher is None:
        raise DataError("This cube has no teacher yet. Call initialize_components() first.")
    if teacher.dim != dim:
        raise DataError(
            f"The cube takes vectors of {dim} numbers, and its teacher {teacher.name} makes {teacher.dim}. Set "
            "embedding_loader to the TeacherEncoder whose vectors it was trained on."
        )
    return teacher.encode([text])[0]


def crossing(cube: Cube, text: str | Tensor, *, damage: Tensor | None = None) -> Crossing:
    """Sends a text, or a vector `(dim,)`, through a cube and keeps all that happened on the way.

    Args:
        cube: a Cube or CubeTrainer with its components.
        text: a sentence, which the cube's teacher encodes, or its vector.
        damage: dead cells, bool `(depth, rows, columns)`.

    Raises:
        DataError: as in `vector_of`.

    Example:
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> found = crossing(cube, torch.ones(48))
        >>> round(found.cosine, 4), found.at_tick                       # untrained: the identity, plane by plane
        (1.0, [[0], [1], [2], [3]])
    """
    vector = vector_of(cube, text)
    states = travel(cube, vector, damage=damage)
    channels = cube.embedding_reshaper.cube_shape[2]
    with torch.no_grad():
        back = states[-1, -1, ..., :channels].to(cube.embedding_reshaper.order.device)
        output = cube.embedding_reshaper.unfold(back[None])[0].cpu()
    return Crossing(vector, output, states)


@dataclass(frozen=True, eq=False)
class Lesion:
    """A cube with dead cells beside itself unharmed.

    Attributes:
        target: what should come out, `(dim,)`.
        whole: what the unharmed cube gives.
        output: what the damaged cube gives.
        before: known texts nearest to `whole`, the best first; empty without a bank.
        after: those nearest to `output`.
    """

    target: Tensor
    whole: Tensor
    output: Tensor
    before: list[Answer]
    after: list[Answer]

    @property
    def cosine_before(self) -> float:
        """Of the unharmed cube's output with the target, −1 … 1."""
        return EmbeddingMetrics.calculate_cosine_similarity(self.whole[None], self.target[None])

    @property
    def cosine(self) -> float:
        """Of the damaged cube's output with the target, −1 … 1; 0 where nothing came out."""
        return EmbeddingMetrics.calculate_cosine_similarity(self.output[None], self.target[None])

    @property
    def kept(self) -> int:
        """How many of the nearest texts are still among them."""
        return len({answer.index for answer in self.before} & {answer.index for answer in self.after})


def lesion(
    cubes: Mapping[str, Cube], text: str | Tensor, damage: Tensor, *, bank: AnswerBank | None = None, k: int = 5
) -> dict[str, Lesion]:
    """Sends a text through cubes in which the same cells are dead.

    Args:
        cubes: name → cube, all of one lattice and one teacher.
        text: a sentence or its vector; it is also the target, as in an autoencoder.
        damage: dead cells, bool `(depth, rows, columns)`.
        bank: known texts to look for what comes out.
        k: how many of them.

    Raises:
        DataError: no cubes, or as in `vector_of`; ValueError for a mask of another lattice.

    Example:
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> dead = torch.zeros(4, 4, 4, dtype=torch.bool)
        >>> dead[2, :2] = True                                          # half of a plane
        >>> found = lesion({"plain": cube}, torch.ones(48), dead)["plain"]
        >>> round(found.cosine_before, 3), round(found.cosine, 3)       # √½: half of the numbers are left
        (1.0, 0.707)
    """
    if not cubes:
        raise DataError("lesion: there is no cube to damage. Give at least one: {'plain': trainer}.")
    vector = vector_of(next(iter(cubes.values())), text)
    found = {}
    for name, cube in cubes.items():
        whole, output = (cube.predict(vector[None], damage=dead)[0] for dead in (None, damage))
        before, after = ([], []) if bank is None else bank.nearest(torch.stack([whole, output]), k)
        found[name] = Lesion(vector, whole, output, before, after)
    return found


def layouts(
    dim: int, fitted_on: Tensor | VectorFile, *, face: tuple[int, int] = (8, 8), seed: int = 0
) -> dict[str, EmbeddingReshaper]:
    """A reshaper for every layout, those that need data fitted on the same vectors.

    Args:
        dim: numbers in a vector.
        fitted_on: training vectors, `(n, dim)`.
        face: (rows, columns) of the front face.
        seed: of the random layout.

    Example:
        >>> torch.manual_seed(0)                                                        # doctest: +ELLIPSIS
        <torch._C.Generator object at 0x...>
        >>> list(layouts(24, torch.randn(50, 24), face=(2, 3)))
        ['row_major', 'channel_major', 'random', 'spectral', 'pca']
    """
    return {
        layout: EmbeddingReshaper.for_dim(dim, face=face, layout=layout, seed=seed).fit(fitted_on) for layout in LAYOUTS
    }


def touched(reshapers: Mapping[str, EmbeddingReshaper], vector: Tensor, number: int, change: float = 0.01) -> dict:
    """Which cells of the front face notice that one number of a vector is changed.

    Args:
        reshapers: name → reshaper, as `layouts` gives them.
        vector: `(dim,)`.
        number: which of its numbers, 0 … dim − 1.
        change: by how much.

    Returns:
        name → the size of each cell's change, `(rows, columns)`.

    Raises:
        DataError: a number that the vector does not have.

    Example:
        >>> found = touched(layouts(24, torch.randn(50, 24), face=(2, 3)), torch.ones(24), number=5, change=0.01)
        >>> found["row_major"].nonzero().tolist(), bool((found["pca"] > 0).all())
        ([[0, 1]], True)
    """
    if not 0 <= number < len(vector):
        raise DataError(f"touched: the vector has numbers 0 to {len(vector) - 1}; got number={number}.")
    other = vector.clone()
    other[number] += change
    pair = torch.stack([vector, other])
    return {name: (shaper.fold(pair)[1] - shaper.fold(pair)[0]).norm(dim=-1) for name, shaper in reshapers.items()}
