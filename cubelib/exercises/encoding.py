"""Checks for the exercises of notebook 01.

The right answers are computed here in float64, and the usual wrong ones too, so that the message can name the slip.

Taught in notebook 01.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cubelib.exercises.verdict import Mistake, expect_tensor, judge

CosineMatrix = Callable[[Tensor, Tensor], Tensor]
NearestOther = Callable[[Tensor], Tensor]
Centered = Callable[[Tensor, Tensor], Tensor]
EffectiveDimension = Callable[[Tensor, float], int]


def _vectors(rows: int, columns: int, seed: int) -> Tensor:
    """(rows, columns) random numbers, each row of another length."""
    generator = torch.Generator().manual_seed(seed)
    lengths = 0.5 + 4 * torch.rand(rows, 1, generator=generator)
    return lengths * normalize(torch.randn(rows, columns, generator=generator))


def _cosines(left: Tensor, right: Tensor) -> Tensor:
    return (normalize(left.double()) @ normalize(right.double()).T).float()


# --- 1.1 -------------------------------------------------------------------------------------------------------------


def cosine_matrix(function: CosineMatrix) -> None:
    """Exercise 1.1: the cosine of every row of one matrix with every row of another.

    Args:
        function: `function(left, right)`, `(n, dim)` and `(m, dim)` → `(n, m)`.

    Example:
        >>> cosine_matrix(lambda left, right: left @ right.T)
        Exercise 1.1: check 2 of 3 does not pass. The cosine of [3, 4] with [3, 4] is 1; cosine_matrix gives 25.0000. \
This is the dot product: divide by both lengths, or give all rows the length 1 first.
    """
    judge("1.1", function, [_every_row_with_every_row, _known_angles, _each_row_its_own_length])


def _every_row_with_every_row(function: CosineMatrix) -> None:
    found = function(_vectors(3, 5, seed=1), _vectors(4, 5, seed=2))
    hint = "A row of the result for each row of left, a column for each row of right: left @ right.T has that shape."
    if isinstance(found, Tensor) and tuple(found.shape) == (4, 3):
        hint = "Rows and columns are exchanged: put left first, left @ right.T."
    expect_tensor(found, (3, 4), "cosine_matrix of a (3, 5) and a (4, 5) matrix", hint)


def _known_angles(function: CosineMatrix) -> None:
    left, right = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0], [-8.0, 6.0], [-6.0, -8.0]])
    found = function(left, right)[0].tolist()
    if abs(found[0] - 25.0) < 1e-3:
        hint = "This is the dot product: divide by both lengths, or give all rows the length 1 first."
    elif abs(found[0] - 5.0) < 1e-3:
        hint = "You divided by one length; divide by the other too."
    elif abs(found[0] - 1 / 25) < 1e-4:
        hint = "A length is the square root of the sum of squares; the root is missing."
    elif abs(found[0] - 1.0) > 1e-5:
        hint = "Divide each dot product by the lengths of its two rows; a length is row.norm()."
    else:
        hint = "The sign counts: a right angle has cosine 0, opposite directions have −1."
    for number, other, right_answer in zip(found, right.int().tolist(), (1, 0, -1), strict=True):
        if abs(number - right_answer) > 1e-5:
            raise Mistake(
                f"The cosine of [3, 4] with {other} is {right_answer}; cosine_matrix gives {number:.4f}. {hint}"
            )


def _each_row_its_own_length(function: CosineMatrix) -> None:
    left, right = _vectors(6, 768, seed=3), _vectors(6, 768, seed=4)
    right[2] = left[4] + 0.5 * right[2]
    found, cosines = function(left, right), _cosines(left, right)
    if torch.allclose(found, cosines.T, atol=1e-5):
        raise Mistake("Rows and columns are exchanged: row i, column j is the cosine of left[i] with right[j].")
    far = (found - cosines).abs()
    if far.max() > 1e-5:
        row, column = divmod(int(far.argmax()), 6)
        raise Mistake(
            f"On random rows of 768 numbers, left[{row}] and right[{column}] have a cosine of "
            f"{cosines[row, column]:.4f}; cosine_matrix gives {found[row, column]:.4f}. Each row has its own length: "
            "left.norm(dim=1, keepdim=True), shape (n, 1), and the same for right."
        )


# --- 1.2 -------------------------------------------------------------------------------------------------------------


def nearest_other(function: NearestOther) -> None:
    """Exercise 1.2: for each vector the index of the other vector with the highest cosine.

    Args:
        function: `function(vectors)`, `(n, dim)` → `(n,)` whole numbers.

    Example:
        >>> nearest_other(lambda vectors: (vectors @ vectors.T).argmax(dim=1))
        Exercise 1.2: check 2 of 5 does not pass. Row 0 is given as its own neighbor. Nobody is closer to a \
vector than itself: put the diagonal out of the race.
    """
    judge("1.2", function, [_an_index_for_each, _not_itself, _even_if_all_are_far, _angles_not_lengths, _equal_rows])


def _indices(function: NearestOther, vectors: Tensor) -> list[int]:
    return function(vectors).tolist()


def _an_index_for_each(function: NearestOther) -> None:
    call = "nearest_other of a (5, 8) matrix"
    hint = "One index for each row: .argmax(dim=1)."
    found = expect_tensor(function(_vectors(5, 8, seed=5)), (5,), call, hint)
    if found.is_floating_point():
        raise Mistake(f"{call} holds {found.dtype}; indices are whole numbers. You want .argmax or .indices, not .max.")
    if not 0 <= int(found.min()) <= int(found.max()) < 5:
        raise Mistake(f"{call} names rows {sorted(set(found.tolist()))}; there are rows 0 to 4.")


def _not_itself(function: NearestOther) -> None:
    vectors = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.2, 1.0]])
    found = _indices(function, vectors)
    selves = [row for row, other in enumerate(found) if row == other]
    if selves:
        raise Mistake(
            f"Row {selves[0]} is given as its own neighbor. Nobody is closer to a vector than itself: put the "
            "diagonal out of the race."
        )
    if found != [1, 0, 3, 2]:
        raise Mistake(
            f"Rows 0 and 1 point almost the same way, and rows 2 and 3 do: expected [1, 0, 3, 2], got {found}. Take "
            "the largest cosine, not the smallest, of each row."
        )


def _even_if_all_are_far(function: NearestOther) -> None:
    angles = [math.radians(degrees) for degrees in (0, 110, 230)]
    found = _indices(function, torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles]))
    if any(row == other for row, other in enumerate(found)):
        raise Mistake(
            "Three vectors at 0°, 110° and 230° have negative cosines with one another, and yours are their own "
            "neighbors. A 0 on the diagonal still wins against them: use −2 or −inf."
        )
    if found != [1, 0, 1]:
        raise Mistake(
            f"Three vectors at 0°, 110° and 230°: expected [1, 0, 1], got {found}. The cosine has a sign; a large "
            "negative one is far away."
        )


def _angles_not_lengths(function: NearestOther) -> None:
    vectors = torch.tensor([[1.0, 0.0], [9.0, 9.0], [0.3, 0.1], [0.0, 2.0]])
    found = _indices(function, vectors)
    products, distances = vectors @ vectors.T, torch.cdist(vectors, vectors)
    slips = {
        "These are the largest dot products, where a long vector beats a close one: ": products,
        "These are the smallest distances, where length counts: ": -distances,
    }
    right = _cosines(vectors, vectors).fill_diagonal_(-torch.inf).argmax(1).tolist()
    if found != right:
        hint = "Compare cosines: "
        for words, nearness in slips.items():
            if nearness.fill_diagonal_(-torch.inf).argmax(1).tolist() == found:
                hint = words
        raise Mistake(
            f"With rows of different lengths: expected {right}, got {found}. {hint}give all rows the length 1 first."
        )


def _equal_rows(function: NearestOther) -> None:
    found = _indices(function, torch.tensor([[0.6, 0.8]]).expand(4, 2).clone())
    selves = [row for row, other in enumerate(found) if row == other]
    if selves:
        raise Mistake(
            f"Four rows are equal, and row {selves[0]} is given as its own neighbor. Where others are as close as the "
            "row itself, the second of the best two may be the row itself. Put the diagonal out of the race first."
        )
    vectors = _vectors(6, 8, seed=6)
    found, right = _indices(function, vectors), _cosines(vectors, vectors).fill_diagonal_(-torch.inf).argmax(1).tolist()
    if found != right:
        raise Mistake(f"On six random rows: expected {right}, got {found}. Compare cosines, and leave each row out.")


# --- 1.3 -------------------------------------------------------------------------------------------------------------


def centered(function: Centered) -> None:
    """Exercise 1.3: test vectors without the mean of the training vectors, with length 1 again.

    Args:
        function: `function(train, test)`, `(n, dim)` and `(m, dim)` → `(m, dim)`.

    Example:
        >>> centered(lambda train, test: normalize(test - test.mean(dim=0)))
        Exercise 1.3: check 3 of 4 does not pass. The first test vector changes when other test vectors are left out. \
You used the mean of test: the items you are judged on have helped. Take the mean of train.
    """
    judge("1.3", function, [_as_many_as_given, _something_was_subtracted, _no_look_at_the_others, _unit_length])


def _off_centre() -> tuple[Tensor, Tensor]:
    """(40, 6) training and (10, 6) test vectors of length 1, about unlike means far from zero."""
    mean = torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 1.0])
    return normalize(_vectors(40, 6, seed=7) + mean), normalize(_vectors(10, 6, seed=8) + mean.roll(1))


def _as_many_as_given(function: Centered) -> None:
    train, test = _off_centre()
    hint = "The mean over the rows, train.mean(dim=0), has shape (dim,), and is subtracted from every row of test."
    expect_tensor(function(train, test), tuple(test.shape), "centered(train (40, 6), test (10, 6))", hint)


def _something_was_subtracted(function: Centered) -> None:
    train, test = _off_centre()
    found = normalize(function(train, test))
    slips = {
        "These are the directions of test itself: nothing was subtracted.": test,
        "You subtracted one number, the mean over everything. Each of the dim numbers has its own mean: "
        "train.mean(dim=0).": test - train.mean(),
        "You added the mean. Subtract it.": test + train.mean(0),
        "You divided by the standard deviation too. That stretches some directions: subtract the mean only.": (
            (test - train.mean(0)) / train.std(0)
        ),
        "You gave the mean the length 1 before subtracting it. Subtract the mean as it is.": (
            test - normalize(train.mean(0), dim=0)
        ),
    }
    for words, slip in slips.items():
        if torch.allclose(found, normalize(slip), atol=1e-4):
            raise Mistake(words)


def _no_look_at_the_others(function: Centered) -> None:
    train, test = _off_centre()
    if not torch.allclose(function(train, test)[:1], function(train, test[:2])[:1], atol=1e-5):
        both = normalize(test - torch.cat([train, test]).mean(0))
        used = (
            "train and test together" if torch.allclose(normalize(function(train, test)), both, atol=1e-4) else "test"
        )
        raise Mistake(
            f"The first test vector changes when other test vectors are left out. You used the mean of {used}: the "
            "items you are judged on have helped. Take the mean of train."
        )


def _unit_length(function: Centered) -> None:
    train, test = _off_centre()
    found, right = function(train, test), normalize(test - train.mean(0))
    if torch.allclose(normalize(found), right, atol=1e-4) and not torch.allclose(found, right, atol=1e-4):
        raise Mistake(
            f"The directions are right; the first row has length {found[0].norm():.4f}, expected 1. Subtracting "
            "changes the length: divide each row by its own again, at the end."
        )
    if not torch.allclose(found, right, atol=1e-4):
        raise Mistake(
            f"The result is off by up to {(found - right).abs().max():.4f}. Subtract train.mean(dim=0) from test, then "
            "divide each row by its length."
        )


# --- 1.4 -------------------------------------------------------------------------------------------------------------


def effective_dimension(function: EffectiveDimension) -> None:
    """Exercise 1.4: how many of the strongest directions hold a given share of the variance.

    Args:
        function: `function(eigenvalues, share)`, `(dim,)` in any order and 0 … 1 → whole number.

    Example:
        >>> effective_dimension(lambda values, share: int((values.cumsum(0) / values.sum() < share).sum()))
        Exercise 1.4: check 1 of 4 does not pass. Of 8, 4, 2, 1, 1 the first two hold 12 of 16, which is 0.75. \
effective_dimension(…, 0.7) gives 1, expected 2. You count the directions that are not enough; one more is needed.
    """
    judge("1.4", function, [_strongest_first, _at_least, _in_any_order, _any_total])


def _effective_dimension(function: EffectiveDimension, eigenvalues: list[float], share: float) -> int:
    found = function(torch.tensor(eigenvalues), share)
    call = f"effective_dimension(…, {share})"
    if found is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(found, Tensor) and found.ndim == 0 and not found.is_floating_point():
        found = int(found)  # the right number in a tensor is no slip worth a message
    if isinstance(found, bool) or not isinstance(found, int):
        raise Mistake(f"{call} gives {found!r}, expected a whole number (int): directions are counted here.")
    return found


def _strongest_first(function: EffectiveDimension) -> None:
    found = _effective_dimension(function, [8.0, 4.0, 2.0, 1.0, 1.0], 0.7)
    hint = "Add up the eigenvalues from the largest down until the sum reaches the share of the total."
    if found == 1:
        hint = "You count the directions that are not enough; one more is needed."
    elif found == 3:
        hint = "Two are enough: you are one too far."
    if found != 2:
        raise Mistake(
            "Of 8, 4, 2, 1, 1 the first two hold 12 of 16, which is 0.75. effective_dimension(…, 0.7) gives "
            f"{found}, expected 2. {hint}"
        )


def _at_least(function: EffectiveDimension) -> None:
    found = _effective_dimension(function, [8.0, 4.0, 2.0, 1.0, 1.0], 0.5)
    if found != 1:
        raise Mistake(
            f"Of 8, 4, 2, 1, 1 the first holds 8 of 16: exactly 0.5, and that is enough. effective_dimension(…, 0.5) "
            f"gives {found}, expected 1. Count the sums that are below the share (<, not <=), and add one."
        )


def _in_any_order(function: EffectiveDimension) -> None:
    found = _effective_dimension(function, [1.0, 1.0, 2.0, 4.0, 8.0], 0.7)
    if found != 2:
        raise Mistake(
            f"The same eigenvalues from small to large, as torch.linalg.eigvalsh gives them: expected 2 again, got "
            f"{found}. Sort them first, the largest in front."
        )


def _any_total(function: EffectiveDimension) -> None:
    found, everything = (_effective_dimension(function, [0.02, 0.08, 0.05, 0.05], share) for share in (0.6, 1.0))
    if found != 2:
        raise Mistake(
            f"Of 0.08, 0.05, 0.05, 0.02 the first two hold 0.13 of 0.2, which is 0.65. effective_dimension(…, 0.6) "
            f"gives {found}, expected 2. Divide by the sum of all eigenvalues, and do not square them."
        )
    if everything > 4:
        raise Mistake(
            f"effective_dimension(…, 1.0) of 4 eigenvalues gives {everything}; there are only 4 directions. Rounding "
            "may leave the last sum below the total: take the last sum as the total, or give at most len(eigenvalues)."
        )
