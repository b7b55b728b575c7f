"""What the widgets show, as plain functions: a text through a cube, through damaged cubes, and under all layouts.

text ─teacher→ vector ─cube→ every state and the output                forward_trace
                      ─cubes with dead cells→ what is left of it       lesion, lesion_change, compare, spread
                      ─EmbeddingReshaper→ which cell holds which number    layouts, sensitivity
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError
from cubelib.inference.answers import Answer, AnswerBank
from cubelib.lattice import CubicCore, damage_from_tick
from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import LAYOUTS, EmbeddingReshaper
from cubelib.training.cube import Cube
from cubelib.views.view3d.scene import trace_states


@dataclass(frozen=True, eq=False)
class ForwardTrace:
    """A vector's way through a cube.

    Attributes:
        input: `(dim,)`.
        output: `(dim,)`.
        states: every state of every cell, `(steps + 1, depth, rows, columns, state_channels)`.
    """

    input: Tensor
    output: Tensor
    states: Tensor

    @property
    def cosine(self) -> float:
        """Of output and input, −1 … 1; 0 if the output is zero."""
        return _cosine(self.output, self.input)

    @property
    def strength(self) -> Tensor:
        """Length of each cell's state, `(steps + 1, depth, rows, columns)`."""
        strength: Tensor = self.states.norm(dim=-1)
        return strength

    @property
    def active_planes(self) -> list[list[int]]:
        """The planes that hold something, tick by tick."""
        return [planes.nonzero().flatten().tolist() for planes in self.strength.sum((2, 3))]


def encode(cube: Cube, text: str | Tensor) -> Tensor:
    """The vector of a text, `(dim,)`, by the cube's own teacher; a vector is passed through.

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
            f"The cube takes vectors of {dim} numbers, but its teacher {teacher.name} makes {teacher.dim}. Use the "
            "TeacherEncoder whose vectors it was trained on."
        )
    return cube.encode([text])[0]


def forward_trace(cube: Cube, text: str | Tensor, *, damage: Tensor | None = None) -> ForwardTrace:
    """Sends a text, or a vector `(dim,)`, through a cube and keeps every state.

    Args:
        cube: a Cube or CubeTrainer with its components.
        text: a sentence, which the cube's teacher encodes, or its vector.
        damage: dead cells, bool `(depth, rows, columns)`.

    Raises:
        DataError: as in `encode`.

    Example:
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> trace = forward_trace(cube, torch.ones(48))
        >>> round(trace.cosine, 4), trace.active_planes                 # untrained: the identity, plane by plane
        (1.0, [[0], [1], [2], [3]])
    """
    vector = encode(cube, text)
    states = trace_states(cube, vector, damage=damage)
    with torch.no_grad():
        output = cube.unfold(states[-1:, -1, ..., : cube.core.in_channels].to(cube.device))[0].cpu()
    return ForwardTrace(vector, output, states)


@dataclass(frozen=True, eq=False)
class Lesion:
    """A cube with dead cells beside the same cube unharmed.

    Attributes:
        target: what should come out, `(dim,)`.
        whole: the output of the unharmed cube.
        output: the output of the damaged cube.
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
        return _cosine(self.whole, self.target)

    @property
    def cosine(self) -> float:
        """Of the damaged cube's output with the target, −1 … 1; 0 if the output is zero."""
        return _cosine(self.output, self.target)

    @property
    def kept(self) -> int:
        """How many of the nearest texts are still among them."""
        return len({answer.index for answer in self.before} & {answer.index for answer in self.after})


def lesion(
    cubes: Mapping[str, Cube],
    text: str | Tensor,
    damage: Tensor,
    *,
    from_tick: int = 0,
    bank: AnswerBank | None = None,
    k: int = 5,
) -> dict[str, Lesion]:
    """Sends a text through cubes in which the same cells are dead.

    Args:
        cubes: name → cube, all of one lattice and one teacher.
        text: a sentence or its vector; it is also the target, as in an autoencoder.
        damage: dead cells, bool `(depth, rows, columns)`.
        from_tick: the tick at which they die.
        bank: known texts to search with the outputs.
        k: how many of them.

    Raises:
        DataError: no cubes, or as in `encode`; ValueError for a mask of another lattice.

    Example:
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> dead = torch.zeros(4, 4, 4, dtype=torch.bool)
        >>> dead[2, :2] = True                                          # half of a plane
        >>> damaged = lesion({"plain": cube}, torch.ones(48), dead)["plain"]
        >>> round(damaged.cosine_before, 3), round(damaged.cosine, 3)   # √½: half of the numbers are left
        (1.0, 0.707)
    """
    if not cubes:
        raise DataError("lesion: there is no cube to damage. Give at least one: {'plain': trainer}.")
    vector = encode(next(iter(cubes.values())), text)
    lesions = {}
    for name, cube in cubes.items():
        mask = damage_from_tick(damage, from_tick, steps=cube.core.steps)
        whole, damaged = forward_trace(cube, vector), forward_trace(cube, vector, damage=mask)
        lesions[name] = compare(whole, damaged, bank=bank, k=k)
    return lesions


def compare(whole: ForwardTrace, damaged: ForwardTrace, *, bank: AnswerBank | None = None, k: int = 5) -> Lesion:
    """What is left of a vector that crossed a damaged cube.

    Args:
        whole: its way through the unharmed cube.
        damaged: its way through the damaged one.
        bank: known texts to search with the outputs.
        k: how many of them.
    """
    before, after = ([], []) if bank is None else bank.nearest(torch.stack([whole.output, damaged.output]), k)
    return Lesion(whole.input, whole.output, damaged.output, before, after)


def spread(whole: ForwardTrace, damaged: ForwardTrace) -> Tensor:
    """How much a lesion changes each cell, as a share of the cell's own strongest signal.

    Cells of a trained cube differ much in strength, so that shares can be compared where changes cannot: between the
    cells of a cube and between cubes.

    Returns:
        `(depth, rows, columns)`: the largest change at any tick, 0 where nothing ever differs.

    Example:
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> dead = torch.zeros(4, 4, 4, dtype=torch.bool)
        >>> dead[1, 0, 0] = True
        >>> change = spread(forward_trace(cube, torch.ones(48)), forward_trace(cube, torch.ones(48), damage=dead))
        >>> change[:, 0, 0].tolist()                # untrained, a cell only passes on what the one before it held
        [0.0, 1.0, 1.0, 1.0]
    """
    change = (damaged.states - whole.states).norm(dim=-1).amax(0)  # (depth, rows, columns)
    strongest = whole.strength.amax(0)
    share: Tensor = change / torch.where(strongest > 0, strongest, 1.0)
    return share


def lesion_change(cube: CubicCore | Cube, vector: Tensor, damage: Tensor) -> Tensor:
    """What a lesion changes in each cell of the back face, against the unharmed cube.

    The unit is what a cell of the back face holds (root mean square), so that changes of several cubes go on one
    scale. Inside the lattice a trained rule keeps numbers that have no such unit.

    Args:
        cube: a core, or a cube with its components.
        vector: `(dim,)`.
        damage: dead cells, bool `(depth, rows, columns)`, or one mask a tick.

    Returns:
        `(rows, columns)`, 0 where the same comes out as without the lesion.

    Example:
        >>> from cubelib.lattice import hole_damage
        >>> core = CubicCore((4, 4, 4), 3)
        >>> lesion_change(core, torch.ones(48), hole_damage((4, 4, 4), (2, 2), plane=1)).tolist()[0]
        [1.0, 1.0, 0.0, 0.0]
    """
    channels = (cube if isinstance(cube, CubicCore) else cube.core).in_channels
    return face_change(*(trace_states(cube, vector, damage=mask)[..., :channels] for mask in (None, damage)))


def face_change(whole: Tensor, damaged: Tensor) -> Tensor:
    """`lesion_change` of states that are known, `(ticks, depth, rows, columns, channels)` each."""
    change: Tensor = (damaged[-1, -1] - whole[-1, -1]).norm(dim=-1) / whole[-1, -1].norm(dim=-1).square().mean().sqrt()
    return change


def layouts(
    dim: int, fitted_on: Tensor | VectorFile, *, face: tuple[int, int] = (8, 8), seed: int = 0
) -> dict[str, EmbeddingReshaper]:
    """A reshaper for every layout; layouts that depend on data are fitted on the same vectors.

    Args:
        dim: numbers in a vector.
        fitted_on: training vectors, `(n, dim)`.
        face: (rows, columns) of the front face.
        seed: of the random layout.

    Example:
        >>> list(layouts(24, torch.randn(50, 24), face=(2, 3)))
        ['row_major', 'channel_major', 'random', 'spectral', 'pca']
    """
    return {
        layout: EmbeddingReshaper.for_dim(dim, face=face, layout=layout, seed=seed).fit(fitted_on) for layout in LAYOUTS
    }


def sensitivity(
    reshapers: Mapping[str, EmbeddingReshaper], vector: Tensor, number: int, change: float = 0.01
) -> dict[str, Tensor]:
    """Which cells of the front face change if one number of a vector changes.

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
        >>> faces = sensitivity(layouts(24, torch.randn(50, 24), face=(2, 3)), torch.ones(24), number=5)
        >>> faces["row_major"].nonzero().tolist(), bool((faces["pca"] > 0).all())
        ([[0, 1]], True)
    """
    if not 0 <= number < len(vector):
        raise DataError(f"sensitivity: the vector has numbers 0 to {len(vector) - 1}; got number={number}.")
    changed = vector.clone()
    changed[number] += change
    faces = {}
    for name, reshaper in reshapers.items():
        before, after = reshaper.fold(torch.stack([vector, changed]))  # (rows, columns, channels) each
        faces[name] = (after - before).norm(dim=-1)
    return faces


def _cosine(output: Tensor, target: Tensor) -> float:
    return EmbeddingMetrics.calculate_cosine_similarity(output[None], target[None])
