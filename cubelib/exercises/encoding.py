"""Exercises of notebook 01."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cubelib.exercises.exercise import Case, Exercise, cases, cosines_of, random_vectors

# --- 1.1 -------------------------------------------------------------------------------------------------------------


def _cosine_checks() -> list[list[Case]]:
    left, right = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0], [-8.0, 6.0], [-6.0, -8.0]])
    return [
        [Case((random_vectors(3, 5, seed=1), random_vectors(4, 5, seed=2)), only_shape=True)],
        [Case((left, right), "The same direction, a right angle and opposite directions")],
        cases((random_vectors(6, 768, seed=3), random_vectors(6, 768, seed=4))),
    ]


def _cosine_slips(left: Tensor, right: Tensor) -> dict[str, Tensor]:
    dots, cosines = left @ right.T, cosines_of(left, right)
    a, b = left.norm(dim=1, keepdim=True), right.norm(dim=1)
    by_columns = (left / left.norm(dim=0)) @ (right / right.norm(dim=0)).T
    one_length = "You divided by the length of a whole matrix; a length is row.norm(), for all rows norm(dim=1)."
    return {
        "Rows and columns are exchanged: row i, column j is for left[i] and right[j], left @ right.T.": cosines.T,
        "This is the dot product: divide by both lengths, or give all rows the length 1 first.": dots,
        "You divided by one length, that of left; divide by the other too.": dots / a,
        "You divided by one length, that of right; divide by the other too.": dots / b,
        "A length is the square root of the sum of squares; the root is missing.": dots / (a * b) ** 2,
        "The sign counts: a right angle has cosine 0, opposite directions have −1.": cosines.abs(),
        one_length: dots / (left.norm() * right.norm()),
        "You divided by the lengths of the columns; norm(dim=1) goes along the rows.": by_columns,
        "That is the angle. The cosine is what you had before arccos.": cosines.clamp(-1, 1).arccos(),
    }


KEEP_DIMENSION = "If sizes do not match, give the lengths the shape (n, 1): .norm(dim=1, keepdim=True)."

cosine_matrix = Exercise(
    "1.1",
    "cosine_matrix(left, right) → the cosine of each row of left (n, dim) with each row of right (m, dim), (n, m)",
    right=cosines_of,
    checks=_cosine_checks,
    slips=_cosine_slips,
    hint="Divide left @ right.T by the lengths of both rows: left.norm(dim=1, keepdim=True), (n, 1), and right's.",
    errors={RuntimeError: KEEP_DIMENSION},
)


# --- 1.2 -------------------------------------------------------------------------------------------------------------


def _nearest(closeness: Tensor, diagonal: float = -torch.inf) -> Tensor:
    return torch.argmax(closeness.clone().fill_diagonal_(diagonal), 1)


def _nearest_checks() -> list[list[Case]]:
    pairs = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.2, 1.0]])
    angles = torch.tensor([0.0, 110.0, 230.0]).deg2rad()
    three = torch.stack([angles.cos(), angles.sin()], dim=1)
    lengths = torch.tensor([[1.0, 0.0], [9.0, 9.0], [0.3, 0.1], [0.0, 2.0]])
    twins = torch.tensor([[0.6, 0.8], [0.6, 0.8], [-0.8, 0.6], [-0.8, 0.6]])
    second = "Where rows are equal the second of the best two may be the row itself: take the diagonal out first."
    return [
        [Case((random_vectors(5, 8, seed=5),), only_shape=True)],
        [Case((pairs,), "Rows 0 and 1 point almost the same way, and rows 2 and 3 do")],
        [Case((three,), "Three vectors at 0°, 110° and 230° have negative cosines with one another")],
        [Case((lengths,), "Rows of different lengths")],
        [Case((twins,), "Rows 0 and 1 are equal, and rows 2 and 3 are", second)],
        cases((random_vectors(6, 8, seed=6),)),
    ]


def _nearest_slips(vectors: Tensor) -> dict[str, Tensor]:
    cosines, dots, distances = cosines_of(vectors, vectors), vectors @ vectors.T, torch.cdist(vectors, vectors)
    return {
        "A 0 on the diagonal still wins against negative cosines: use −2 or −inf.": _nearest(cosines, 0.0),
        "Nobody is closer to a vector than itself: put the diagonal out of the race.": torch.arange(len(vectors)),
        "The cosine has a sign; a large negative one is far away.": _nearest(cosines.abs()),
        "Take the largest cosine, not the smallest, of each row.": cosines.argmin(1),
        "These are the largest dot products, where long vectors win: give all rows the length 1.": _nearest(dots),
        "These are the smallest distances, where length counts: give all rows the length 1.": _nearest(-distances),
        "Rows are counted from 0.": _nearest(cosines) + 1,
    }


nearest_other = Exercise(
    "1.2",
    "nearest_other(vectors) → for each row of (n, dim) the index of the other row with the highest cosine, (n,)",
    right=lambda vectors: _nearest(cosines_of(vectors, vectors)),
    checks=_nearest_checks,
    slips=_nearest_slips,
    hint="One index for each row: compare cosines, leave each row out of its own race, and take .argmax(dim=1).",
)


# --- 1.3 -------------------------------------------------------------------------------------------------------------


def lengths_of(rows: Tensor) -> Tensor:
    """The length of each row."""
    lengths: Tensor = rows.norm(dim=1)
    return lengths


def _centered_checks() -> list[list[Case]]:
    mean = torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 1.0])
    train, test = random_vectors(40, 6, seed=7) + mean, random_vectors(10, 6, seed=8) + mean.roll(1)
    inputs = normalize(train), normalize(test)
    says = "The directions are right; the first row has length 1 only if you divide it by its own"
    lengths = "Subtracting changes the lengths: divide each row by its own again, at the end."
    return [
        [Case(inputs, only_shape=True)],
        [Case(inputs, view=normalize)],
        [Case(inputs, says, lengths, view=lengths_of)],
    ]


def _centered_slips(train: Tensor, test: Tensor) -> dict[str, Tensor]:
    mean, both = train.mean(0), torch.cat([train, test]).mean(0)
    off = test - mean
    by_test = "You used the mean of test: the items you are judged on have helped. Take the mean of train."
    by_both = "You used the mean of train and test together: the items you are judged on have helped. Take train's."
    own_mean = "You subtracted each row's own mean. The mean goes over the rows of train: train.mean(dim=0)."
    return {
        "These are the directions of test itself: nothing was subtracted.": normalize(test),
        "You subtracted the mean of train from train. Subtract it from test.": normalize(train - mean),
        "You subtracted one number. Each of the dim numbers has its own mean: dim=0.": normalize(test - train.mean()),
        "You added the mean. Subtract it.": normalize(test + mean),
        "Dividing by the standard deviation stretches: subtract the mean only.": normalize(off / train.std(0)),
        "You gave the mean the length 1. Subtract it as it is.": normalize(test - normalize(mean, dim=0)),
        by_test: normalize(test - test.mean(0)),
        by_both: normalize(test - both),
        "You divided all rows by one length. Each has its own: .norm(dim=1, keepdim=True).": off / off.norm(),
        own_mean: normalize(test - test.mean(1, keepdim=True)),
        "You divided by the lengths of the columns. Each row has its own: dim=1.": normalize(off, dim=0),
    }


centered = Exercise(
    "1.3",
    "centered(train, test) → test (m, dim) minus the mean of train (n, dim), rows of length 1 again, (m, dim)",
    right=lambda train, test: normalize(test - train.mean(0)),
    checks=_centered_checks,
    slips=_centered_slips,
    hint="Subtract train.mean(dim=0), which has shape (dim,), from every row of test; then divide each by its length.",
    errors={RuntimeError: KEEP_DIMENSION},
)


# --- 1.4 -------------------------------------------------------------------------------------------------------------


def _dimension(eigenvalues: Tensor, share: float) -> int:
    sums = eigenvalues.sort(descending=True).values.cumsum(0)
    return int((sums < share * sums[-1]).sum()) + 1


def _dimension_checks() -> list[list[Case]]:
    falling, small = torch.tensor([8.0, 4.0, 2.0, 1.0, 1.0]), torch.tensor([0.02, 0.08, 0.05, 0.05])
    rounding = "Rounding may leave the last sum below the total: take the last sum as the total."
    return [
        [Case((falling, 0.9), "The first four hold 15 of 16, which is 0.94, and three are too few")],
        [Case((falling, 0.5), "The first holds 8 of 16: exactly 0.5, and that is enough")],
        [Case((falling.flip(0), 0.9), "From small to large, as torch.linalg.eigvalsh gives them")],
        [
            Case((small, 0.6), "The first two, 0.08 and 0.05, hold 0.13 of 0.2, which is 0.65"),
            Case((small, 1.0), "There are 4 directions, and all are needed", rounding),
        ],
    ]


def _dimension_slips(eigenvalues: Tensor, share: float) -> dict[str, int]:
    right = _dimension(eigenvalues, share)
    unsorted, sums = eigenvalues.cumsum(0), eigenvalues.sort(descending=True).values.cumsum(0)
    limit = share * sums[-1]
    return {
        "Divide by the sum of all eigenvalues.": int((sums < share).sum()) + 1,
        "Eigenvalues are variances: do not square them.": _dimension(eigenvalues**2, share),
        "Sort them first, the largest in front.": int((unsorted < limit).sum()) + 1,
        "Count the sums that are below the share (<, not <=), and add one.": int((sums <= limit).sum()) + 1,
        "You count the directions that are not enough; one more is needed.": right - 1,
        "Fewer are enough: begin with the largest, and stop at the first sum that reaches the share.": right + 1,
    }


effective_dimension = Exercise(
    "1.4",
    "effective_dimension(eigenvalues, share) → how many of the strongest directions hold that share of the variance",
    right=_dimension,
    checks=_dimension_checks,
    slips=_dimension_slips,
    hint="Add up the eigenvalues from the largest down until the sum reaches the share of the total.",
)
