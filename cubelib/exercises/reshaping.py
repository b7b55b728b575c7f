"""Exercises of notebook 02."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.exercises.exercise import Case, Exercise, cases
from cubelib.exercises.verdict import Mistake, read
from cubelib.reshaper import EmbeddingReshaper

# --- 2.1 -------------------------------------------------------------------------------------------------------------


def _count(value: object) -> int:
    if isinstance(value, float):
        raise Mistake("a decimal number. Channels are counted: round up to a whole number.")
    count: int = read(value, right=1)
    return count


channels = Exercise(
    "2.1",
    "channels(dim, rows, columns) → the fewest channels with which a face of rows × columns cells holds dim numbers",
    right=lambda dim, rows, columns: math.ceil(dim / (rows * columns)),
    checks=lambda: [
        cases((768, 8, 8), (384, 8, 8), (3072, 16, 16)),
        cases((100, 8, 8), (7, 8, 8), (65, 8, 8)),
        cases((1000, 5, 7)),
    ],
    slips=lambda dim, rows, columns: {
        "That is for a face of 8×8. This one has another size.": math.ceil(dim / 64),
        "Some numbers find no place. Round up.": dim // (rows * columns),
        "Nothing is left over where it divides evenly: add one only if something is.": dim // (rows * columns) + 1,
        "That is what the whole face holds. How many does one cell take?": -(-dim // (rows * columns)) * rows * columns,
        "A face has rows × columns cells. You divided by one side only.": math.ceil(dim / rows),
        "A face has rows × columns cells. You took it to be square.": math.ceil(dim / (rows * rows)),
    },
    returns=_count,
    hint="Round up: cells times channels must be at least dim, and with one channel fewer it must not be.",
)


# --- 2.2 -------------------------------------------------------------------------------------------------------------


def _counting(batch: int, rows: int, columns: int, depth: int) -> tuple[Tensor, int, int, int]:
    dim = rows * columns * depth
    return torch.arange(float(batch * dim)).view(batch, dim), rows, columns, depth


def _fold_slips(vectors: Tensor, rows: int, columns: int, depth: int) -> dict[str, Tensor]:
    first = vectors.view(-1, depth, rows, columns)
    wrong_way = first.permute(0, 3, 1, 2).reshape(-1, rows, columns, depth)
    columns_first = vectors.view(-1, depth, columns, rows).permute(0, 3, 2, 1)
    mixed = vectors.reshape(depth, -1, rows, columns).permute(1, 2, 3, 0)
    return {
        "The channels are still in front. Move that axis to the end: .permute(0, 2, 3, 1).": first,
        "That is row_major: the first cell takes the first numbers.": vectors.view(-1, rows, columns, depth),
        "Rows and columns are exchanged: rows come first.": first.permute(0, 3, 2, 1),
        "Rows and columns are exchanged: the next number goes to the next column.": columns_first,
        "The axes go the wrong way: permute(0, 2, 3, 1) names, for each new axis, the old one.": wrong_way,
        "The batch is missing: keep the first axis, .view(-1, …).": first[0].permute(1, 2, 0),
        "The vectors of the batch are mixed up: the batch is the first axis and stays there.": mixed,
    }


fold_channel_major = Exercise(
    "2.2",
    "fold_channel_major(vectors, rows, columns, channels) → (batch, rows, columns, channels), channel after channel",
    right=lambda vectors, rows, columns, depth: vectors.view(-1, depth, rows, columns).permute(0, 2, 3, 1),
    checks=lambda: [
        [Case(_counting(5, 2, 3, 4), only_shape=True)],
        cases(_counting(1, 2, 3, 2), _counting(3, 2, 3, 2)),
        cases(_counting(3, 3, 3, 3)),
        cases(_counting(3, 8, 8, 12)),
    ],
    slips=_fold_slips,
    errors={
        RuntimeError: "Begin with .view(-1, channels, rows, columns), name all four axes in .permute, "
        "and after it take .reshape, not .view."
    },
    hint="Give the vector the shape (batch, channels, rows, columns) first, then move the channels to the end.",
)


# --- 2.3 -------------------------------------------------------------------------------------------------------------


def _permutation(value: object) -> Tensor:
    order: Tensor = read(value, right=torch.arange(2))
    if order.ndim == 1 and order.sort().values.tolist() != list(range(len(order))):
        raise Mistake("in which some place is missing or named twice. It must name each place from 0 once.")
    return order


inverse_order = Exercise(
    "2.3",
    "inverse_order(order) → the order that undoes a permutation (dim,): vector[order][inverse_order(order)] is vector",
    returns=_permutation,
    right=lambda order: order.argsort(),
    checks=lambda: [
        cases((torch.tensor([2, 3, 1, 0]),)),
        cases((torch.tensor([1, 0, 2]),)),
        cases((torch.randperm(768, generator=torch.Generator().manual_seed(3)),)),
    ],
    errors={ValueError: "If you wrote [::-1]: a tensor has .flip(0) instead. But reversing does not undo an order."},
    slips=lambda order: {
        "That changes nothing: the numbers stay where they were laid.": torch.arange(len(order)),
        "That is the same order again, which undoes itself only when everything moves in pairs.": order,
        "That is the order read backwards; to undo it you need to know where each number went.": order.flip(0),
        "That counts from the other end: sort from small to large.": order.argsort(descending=True),
    },
    hint="Number order[i] sits at place i of the laid-out vector: for each number, ask at which place it sits.",
)


# --- 2.4 -------------------------------------------------------------------------------------------------------------

Fold = Callable[[Tensor], Tensor]
SHAPE, ZERO = (2, 3, 2), 7  # twelve numbers; one of them is 0 in every vector, as number 555 of the teacher is


def _undoes(fold: Fold, unfold: Fold, vector: Tensor) -> bool:
    step = 0.01 * vector.abs().mean()
    given = torch.cat([vector[None], vector + step * torch.eye(len(vector))])
    return torch.allclose(unfold(fold(given).flip(0)).flip(0), given, rtol=0, atol=1e-6)


def _inverse_checks() -> list[list[Case]]:
    noise = torch.randn(8, 12, generator=torch.Generator().manual_seed(4))
    seen = 0.03 * (noise + 0.5 * noise.sign())  # the size of a sentence's numbers, none of them close to zero
    with_zero = seen.clone()
    with_zero[:, ZERO] = 0.0
    accept = [*_true_inverses(seen, ""), *_true_inverses(with_zero, f", number {ZERO} of the vector being 0")]
    return [accept, *_false_inverses(seen, with_zero[0])]


def _true_inverses(vectors: Tensor, where: str) -> list[Case]:
    hint = (
        "Raise one number by a small step; that number, by that step, must be all that changes. If you turned the rows "
        "around before unfolding, turn them back before you compare."
    )
    turn = "A turn rounds in the seventh digit: ask torch.allclose(…, atol=1e-6), not equality."
    accept = []
    for layout in ("row_major", "channel_major", "random", "pca"):
        for shape in (SHAPE, (2, 3, 3)):  # the second with room to spare
            reshaper = EmbeddingReshaper(12, shape, layout=layout).fit(vectors)
            says = f"is_inverse refuses the {layout} layout, a true inverse{where}"
            accept.append(Case((reshaper.fold, reshaper.unfold, vectors[0]), says, turn if layout == "pca" else hint))
    return accept


def _false_inverses(seen: Tensor, with_zero: Tensor) -> list[list[Case]]:
    reshaper = EmbeddingReshaper(12, SHAPE, layout="random", seed=1)
    fold, unfold = reshaper.fold, reshaper.unfold
    mean, vector, last = seen.mean(0), seen[0], [seen[:1]]
    code = torch.linalg.svd(seen - mean, full_matrices=False).Vh[:7]  # 8 vectors differ in 7 directions

    def from_memory(cubes: Tensor) -> Tensor:
        return seen[torch.cdist(cubes.flatten(1), fold(seen).flatten(1)).argmin(1)]

    def encode(given: Tensor) -> Tensor:
        return torch.matmul(given - mean, code.T)

    def decode(codes: Tensor) -> Tensor:
        return torch.matmul(codes, code) + mean

    def spilling(cubes: Tensor) -> Tensor:
        given = unfold(cubes)
        return given + 0.5 * (given - vector).roll(1, dims=1)

    def frozen(number: int, value: float) -> Fold:
        return lambda cubes: unfold(cubes).index_fill(1, torch.tensor([number]), value)

    def remember(given: Tensor) -> Tensor:
        last[0] = given.clone()
        return fold(given)

    def repeat(cubes: Tensor) -> Tensor:
        return last[0][torch.arange(len(cubes)) % len(last[0])]  # the cubes are counted, and not looked at

    def refuse(what: str, hint: str, unfold: Fold, fold: Fold = fold, vector: Tensor = vector) -> Case:
        return Case((fold, unfold, vector), f"is_inverse accepts an unfold that {what}", hint)

    number = "It puts the numbers of the vector in wrong places: compare what comes back number by number."
    step = "1 % of a number of size 0.03 is 0.0003: a tolerance above 0.0001, or a cosine, lets it through."
    unseen = "It gives back the vectors that it has seen, and nothing else: change a number a little and look again."
    row = "The raised number comes back right, but another one changes too: compare the whole row."
    every = "Raise every number in turn, not only some of them: vector + step * torch.eye(dim) has a row for each."
    order = "Fold everything first, then unfold in another order, cubes.flip(0), and compare in the order you gave."
    zero = "1 % of nothing is nothing. Take 1 % of a typical number, vector.abs().mean(), as the step for all."
    forgets = f"always answers 0 for number {ZERO}, on a vector whose number {ZERO} is 0"
    return [
        [refuse("shuffles once more", number, lambda cubes: cubes.reshape(-1, 12)[:, reshaper.order])],
        [
            refuse("rounds to steps of 1/4096", step, lambda cubes: unfold((cubes * 4096).round() / 4096)),
            refuse("is a memory of the vectors it has seen", unseen, from_memory),
            refuse("has a code of 7 numbers fitted on 8 vectors", unseen, decode, encode),
        ],
        [
            refuse("lets each change spill into the next number", row, spilling),
            refuse("always answers the same for number 5", every, frozen(5, float(vector[5]))),
            refuse("always answers the same for number 11", every, frozen(11, float(vector[11]))),
        ],
        [refuse("gives back the last input and never looks at the cube", order, repeat, remember)],
        [refuse(forgets, zero, frozen(ZERO, 0.0), vector=with_zero)],
    ]


is_inverse = Exercise(
    "2.4",
    "is_inverse(fold, unfold, vector) → True if unfold brings back the vector (dim,) and any small change of it",
    right=_undoes,
    checks=_inverse_checks,
    errors={ValueError: "If fold refuses: it takes vectors as rows. Give it vector[None], of shape (1, dim)."},
)
