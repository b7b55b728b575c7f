"""Checks for the exercises of notebook 02.

The right answers come from `EmbeddingReshaper`, and the usual wrong ones are computed too, so that the message can name
the slip.

Taught in notebook 02.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cubelib.exercises.verdict import Mistake, expect_tensor, expect_whole_number, in_groups, judge
from cubelib.reshaper import EmbeddingReshaper

Channels = Callable[[int, int, int], int]
FoldChannelMajor = Callable[[Tensor, int, int, int], Tensor]
InverseOrder = Callable[[Tensor], Tensor]
Fold = Callable[[Tensor], Tensor]
IsInverse = Callable[[Fold, Fold, Tensor], bool]


# --- 2.1 -------------------------------------------------------------------------------------------------------------


def channels(function: Channels) -> None:
    """Exercise 2.1: how many numbers each cell must take so that a vector of any width fits on the face.

    Args:
        function: `function(dim, rows, columns)` → whole number.

    Example:
        >>> channels(lambda dim, rows, columns: dim // (rows * columns))
        Exercise 2.1: check 2 of 3 does not pass. channels(100, 8, 8) gives 1, expected 2. 64 cells with 1 channel \
hold 64 numbers: 36 of 100 find no place. Round up.
    """
    exact = [(768, 8, 8), (384, 8, 8), (3072, 16, 16)]
    judge("2.1", function, in_groups(_expect_channels, exact, [(100, 8, 8), (7, 8, 8), (65, 8, 8)], [(1000, 5, 7)]))


def _expect_channels(function: Channels, dim: int, rows: int, columns: int) -> None:
    call = f"channels({dim}, {rows}, {columns})"
    value = function(dim, rows, columns)
    if isinstance(value, float) and value == dim / (rows * columns):
        raise Mistake(
            f"{call} gives {value:g}, expected a whole number (int): a cell takes whole numbers. `/` gives a float; "
            "round up to an int."
        )
    found = expect_whole_number(value, call)
    right = EmbeddingReshaper.for_dim(dim, (rows, columns)).cube_shape[2]
    if found == right:
        return
    cells, plural = rows * columns, "" if found == 1 else "s"
    hint = "Cells times channels must be at least dim, and with one channel fewer it must not be."
    if found == dim // cells + 1 and dim % cells == 0:
        hint = f"{dim} is {right} × {cells} exactly, so nothing is left over: add one only where something is."
    elif found == right * cells:
        hint = "That is how many numbers the whole face holds. How many does one cell take?"
    elif found == math.ceil(dim / 64):
        hint = f"That is for a face of 8×8. This one has {rows} × {columns} cells."
    elif found in (math.ceil(dim / rows), math.ceil(dim / columns)):
        hint = f"A face has rows × columns cells: {cells}."
    elif found < right:
        hint = (
            f"{cells} cells with {found} channel{plural} hold {found * cells} numbers: {dim - found * cells} of {dim} "
            "find no place. Round up."
        )
    raise Mistake(f"{call} gives {found}, expected {right}. {hint}")


# --- 2.2 -------------------------------------------------------------------------------------------------------------


def fold_channel_major(function: FoldChannelMajor) -> None:
    """Exercise 2.2: fold vectors so that the first numbers fill channel 0 of all cells, the next ones channel 1, ….

    Args:
        function: `function(vectors, rows, columns, channels)`, `(batch, dim)` → `(batch, rows, columns, channels)`;
            dim is rows · columns · channels.

    Example:
        >>> fold_channel_major(lambda vectors, rows, columns, channels: vectors.view(-1, rows, columns, channels))
        Exercise 2.2: check 2 of 4 does not pass. fold_channel_major of the numbers 0 to 11 on a face of 2×3 with 2 \
channels gives 0, 1 in cell (0, 0), expected 0, 6. That is row_major: a cell takes the next 2 numbers.
    """
    judge("2.2", function, [_a_cube_for_each_vector, *in_groups(_expect_fold, [(2, 3, 2)], [(3, 3, 3)], [(8, 8, 12)])])


def _counting(batch: int, dim: int) -> Tensor:
    return torch.arange(batch * dim, dtype=torch.float32).view(batch, dim)


def _a_cube_for_each_vector(function: FoldChannelMajor) -> None:
    found = function(_counting(5, 24), 2, 3, 4)
    hint = "A cube for each vector, channels last."
    if isinstance(found, Tensor) and tuple(found.shape) == (5, 4, 2, 3):
        hint = "The channels are still in front. Move that axis to the end: .permute(0, 2, 3, 1)."
    elif isinstance(found, Tensor) and tuple(found.shape) == (5, 3, 2, 4):
        hint = "Rows and columns are exchanged: rows come first."
    elif isinstance(found, Tensor) and found.ndim == 3:
        hint = "The batch is missing: keep the first axis, .view(-1, …)."
    expect_tensor(found, (5, 2, 3, 4), "fold_channel_major of a (5, 24) matrix on 2×3 cells with 4 channels", hint)


def _expect_fold(function: FoldChannelMajor, rows: int, columns: int, depth: int) -> None:
    dim = rows * columns * depth
    vectors = _counting(3, dim)
    found = function(vectors.clone(), rows, columns, depth)
    call = f"fold_channel_major of the numbers 0 to {dim - 1} on a face of {rows}×{columns} with {depth} channels"
    expect_tensor(found, (3, rows, columns, depth), call, "A cube for each vector, channels last.")
    right = EmbeddingReshaper(dim, (rows, columns, depth), layout="channel_major").fold(vectors)
    if torch.equal(found, right):
        return
    hint = "Give the vector the shape (batch, channels, rows, columns) first, then move the channels to the end."
    slips = {
        f"That is row_major: a cell takes the next {depth} numbers.": vectors.view(-1, rows, columns, depth),
        "Rows and columns are exchanged: the next number goes to the next column.": vectors.view(
            -1, depth, columns, rows
        ).permute(0, 3, 2, 1),
        "The axes are exchanged the wrong way round: permute(0, 2, 3, 1) names, for each new axis, the old one.": (
            vectors.view(-1, depth, rows, columns).permute(0, 3, 1, 2).reshape(-1, rows, columns, depth)
        ),
        "The vectors of the batch are mixed up: the batch is the first axis and stays there.": vectors.reshape(
            depth, -1, rows, columns
        ).permute(1, 2, 3, 0),
    }
    for what, wrong in slips.items():
        if torch.equal(found, wrong):
            hint = what
    vector, row, column, _ = (found != right).nonzero()[0].tolist()
    where = f"cell ({row}, {column})" + (f" of vector {vector}" if vector else "")

    def words(cube: Tensor) -> str:
        shown = ", ".join(f"{number:g}" for number in cube[vector, row, column, :4].tolist())
        return shown + (", …" if depth > 4 else "")

    raise Mistake(f"{call} gives {words(found)} in {where}, expected {words(right)}. {hint}")


# --- 2.3 -------------------------------------------------------------------------------------------------------------


def inverse_order(function: InverseOrder) -> None:
    """Exercise 2.3: the order that undoes an order.

    Args:
        function: `function(order)`, a permutation `(dim,)` → `(dim,)` whole numbers, so that
            `vector[order][function(order)]` is the vector.

    Example:
        >>> inverse_order(lambda order: order)
        Exercise 2.3: check 1 of 3 does not pass. The letters a b c d, taken in the order [2, 3, 1, 0], are c d b a; \
taken from there in your order [2, 3, 1, 0] they are b a d c, expected a b c d. That is the same order again, which \
undoes itself only when everything moves in pairs.
    """
    judge("2.3", function, in_groups(_expect_inverse, [([2, 3, 1, 0],)], [([1, 0, 2],)], [(None,)]))


def _expect_inverse(function: InverseOrder, places: list[int] | None) -> None:
    order = torch.tensor(places) if places else torch.randperm(768, generator=torch.Generator().manual_seed(3))
    call = f"inverse_order({places})" if places else "inverse_order of a shuffle of 768 numbers"
    found = expect_tensor(function(order.clone()), tuple(order.shape), call, "One place for each number.")
    if found.is_floating_point():
        raise Mistake(f"{call} holds {found.dtype}; places are whole numbers. .argsort() gives them.")
    if found.sort().values.tolist() != list(range(len(order))):
        raise Mistake(
            f"{call} gives {found.tolist() if places else 'an order'} in which some place is missing or named twice. "
            "It must name each place from 0 once."
        )
    if torch.equal(order[found], torch.arange(len(order))):
        return
    hint = "Number order[i] sits at place i of the laid-out vector: for each number, ask at which place it sits."
    slips = {
        "That changes nothing: the numbers stay where they were laid.": torch.arange(len(order)),
        "That is the same order again, which undoes itself only when everything moves in pairs.": order,
        "That is the order read backwards; to undo it you need to know where each number went.": order.flip(0),
        "That counts from the other end: sort from small to large.": order.argsort(descending=True),
    }
    for what, wrong in slips.items():
        if torch.equal(found, wrong):
            hint = what
    if places:
        letters = "abcdefgh"[: len(places)]
        laid = [letters[place] for place in places]
        back = [laid[place] for place in found.tolist()]
        raise Mistake(
            f"The letters {' '.join(letters)}, taken in the order {places}, are {' '.join(laid)}; taken from there in "
            f"your order {found.tolist()} they are {' '.join(back)}, expected {' '.join(letters)}. {hint}"
        )
    wrong = int((order[found] != torch.arange(len(order))).sum())
    raise Mistake(f"{call} brings {wrong} of 768 numbers back to a wrong place. {hint}")


# --- 2.4 -------------------------------------------------------------------------------------------------------------


def is_inverse(function: IsInverse) -> None:
    """Exercise 2.4: a test that accepts every true inverse and refuses every false one.

    Args:
        function: `function(fold, unfold, vector)` → True or False. fold takes `(batch, dim)` to cubes, unfold takes
            cubes back; vector `(dim,)` is one that the false inverses have seen.

    Example:
        >>> is_inverse(lambda fold, unfold, vector: torch.equal(unfold(fold(vector[None]))[0], vector))
        Exercise 2.4: check 1 of 6 does not pass. is_inverse refuses the pca layout, a true inverse. A turn rounds in \
the seventh digit: ask torch.allclose(…, atol=1e-6), not equality.
    """
    seen = _seen()
    with_zero = seen.clone()
    with_zero[:, ZERO] = 0.0
    judge(
        "2.4",
        function,
        [
            lambda f: _accepts(f, seen, with_zero),
            *(
                lambda f, cases=cases: _refuses(f, with_zero if cases is _forgetful else seen, cases)
                for cases in (_shuffled_again, _fitted, _others_change, _last_input, _forgetful)
            ),
        ],
    )


SHAPE, ZERO = (2, 3, 2), 7  # twelve numbers; one of them is 0 in every vector, as number 555 of the teacher is


def _seen() -> Tensor:
    """(8, 12) vectors of the size of a sentence's numbers, none of them close to zero."""
    numbers = torch.randn(8, 12, generator=torch.Generator().manual_seed(4))
    return 0.03 * (numbers + 0.5 * numbers.sign())


def _verdict(function: IsInverse, fold: Fold, unfold: Fold, vector: Tensor, name: str) -> bool:
    value: Any = function(fold, unfold, vector.clone())
    if value is None:
        raise Mistake("is_inverse gives None: is there a return at the end?")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise Mistake(f"is_inverse gives a tensor of shape {tuple(value.shape)}, expected True or False. Use .all().")
    if not isinstance(value, bool) and not (isinstance(value, Tensor) and value.dtype == torch.bool):
        raise Mistake(f"is_inverse gives a {type(value).__name__} for {name}, expected True or False.")
    return bool(value)


def _accepts(function: IsInverse, seen: Tensor, with_zero: Tensor) -> None:
    for vectors, zero in ((seen, ""), (with_zero, f" on a vector whose number {ZERO} is 0")):
        for layout in ("row_major", "channel_major", "random", "pca"):
            for shape in (SHAPE, (2, 3, 3)):  # the second with room to spare
                true = EmbeddingReshaper(12, shape, layout=layout).fit(vectors)
                if not _verdict(function, true.fold, true.unfold, vectors[0], layout):
                    hint = "Raise one number by a small step; that number, by that step, must be all that changes."
                    if layout == "pca":
                        hint = "A turn rounds in the seventh digit: ask torch.allclose(…, atol=1e-6), not equality."
                    raise Mistake(f"is_inverse refuses the {layout} layout, a true inverse{zero}. {hint}")


Cases = Callable[[Tensor], dict[str, tuple[Fold, Fold, str]]]


def _refuses(function: IsInverse, vectors: Tensor, cases: Cases) -> None:
    for name, (fold, unfold, lesson) in cases(vectors).items():
        if _verdict(function, fold, unfold, vectors[0], name):
            raise Mistake(f"is_inverse accepts {name}. {lesson}")


def _true() -> EmbeddingReshaper:
    return EmbeddingReshaper(12, SHAPE, layout="random", seed=1)


def _shuffled_again(vectors: Tensor) -> dict[str, tuple[Fold, Fold, str]]:
    true = _true()
    return {
        "an unfold that shuffles once more": (
            true.fold,
            lambda cubes: cubes.reshape(-1, 12)[:, true.order],
            "It puts the numbers of the vector itself in wrong places: compare what comes back number by number.",
        )
    }


def _fitted(vectors: Tensor) -> dict[str, tuple[Fold, Fold, str]]:
    true, mean = _true(), vectors.mean(0)
    code = torch.linalg.svd(vectors - mean, full_matrices=False).Vh[:7]  # 8 vectors differ in 7 directions
    stored = true.fold(vectors)

    def from_memory(cubes: Tensor) -> Tensor:
        return vectors[torch.cdist(cubes.flatten(1), stored.flatten(1)).argmin(1)]

    def from_steps(cubes: Tensor) -> Tensor:
        return true.unfold((cubes * 4096).round() / 4096)

    unseen = "It gives back the vectors that it has seen, and nothing else: change a number a little and look again."
    return {
        "an unfold that rounds to steps of 1/4096": (
            true.fold,
            from_steps,
            "1 % of a number of size 0.03 is 0.0003: a tolerance above 0.0001, or a cosine, lets it through.",
        ),
        "a memory of the vectors it has seen": (true.fold, from_memory, unseen),
        "a code of 7 numbers fitted on 8 vectors": (
            lambda given: (given - mean) @ code.T,
            lambda found: found @ torch.linalg.pinv(code).T + mean,
            unseen,
        ),
    }


def _others_change(vectors: Tensor) -> dict[str, tuple[Fold, Fold, str]]:
    """Right about the vector, wrong only in what a change does to the others, or in the change of one number."""
    true, center = _true(), vectors[0].clone()
    spill = 0.5 * torch.roll(torch.eye(12), 1, dims=1)

    def spilling(cubes: Tensor) -> Tensor:
        given = true.unfold(cubes)
        return given + (given - center) @ spill

    def frozen(place: int) -> Fold:
        def unfold(cubes: Tensor) -> Tensor:
            given = true.unfold(cubes).clone()
            given[:, place] = center[place]
            return given

        return unfold

    every = "Raise every number in turn, not only some of them: vector + step * torch.eye(dim) has a row for each."
    return {
        "an unfold that lets each change spill into the next number": (
            true.fold,
            spilling,
            "The raised number comes back right, but another one changes too: compare the whole row.",
        ),
        "an unfold that always answers the same for number 5": (true.fold, frozen(5), every),
        "an unfold that always answers the same for number 11": (true.fold, frozen(11), every),
    }


def _last_input(vectors: Tensor) -> dict[str, tuple[Fold, Fold, str]]:
    true, last = _true(), [vectors[:1]]

    def remember(given: Tensor) -> Tensor:
        last[0] = given.clone()
        return true.fold(given)

    def repeat(cubes: Tensor) -> Tensor:
        return last[0][torch.arange(len(cubes)) % len(last[0])]  # the cubes count, and are not looked at

    return {
        "an unfold that gives back the last input and never looks at the cube": (
            remember,
            repeat,
            "Fold everything first, then unfold in another order: cubes.flip(0), and compare with the order you gave.",
        )
    }


def _forgetful(vectors: Tensor) -> dict[str, tuple[Fold, Fold, str]]:
    true = _true()

    def forget(cubes: Tensor) -> Tensor:
        given = true.unfold(cubes).clone()
        given[:, ZERO] = 0.0
        return given

    return {
        f"an unfold that always answers 0 for number {ZERO}, on a vector whose number {ZERO} is 0": (
            true.fold,
            forget,
            "1 % of nothing is nothing. Take 1 % of a typical number, vector.abs().mean(), as the step for all.",
        )
    }
