"""Exercises of notebook 04."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.linalg import eigh, svd
from torch.nn.functional import cosine_similarity

from cubelib.exercises.exercise import Case, Exercise, cases, cosines_of, random_vectors
from cubelib.exercises.verdict import same

# --- 4.1 -------------------------------------------------------------------------------------------------------------


def _cosine_checks() -> list[list[Case]]:
    def pair(left: list[float], right: list[float], says: str) -> Case:
        return Case((torch.tensor([left]), torch.tensor([right])), says)

    return [
        [Case((random_vectors(3, 5, seed=1), random_vectors(3, 5, seed=2)), only_shape=True)],
        [
            pair([0.0, 1.0], [1.0, 0.0], "A right angle"),
            pair([1.0, 0.0], [1.0, 0.0], "The same direction"),
            pair([-1.0, 0.0], [1.0, 0.0], "Opposite directions"),
        ],
        [pair([3.0, 4.0], [8.0, 6.0], "Rows of length 5 and 10")],
        cases((random_vectors(20, 768, seed=3), random_vectors(20, 768, seed=4))),
    ]


def _cosine_slips(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    products = output * target
    dots, a, b = products.sum(1), output.norm(dim=1), target.norm(dim=1)
    one_length = "You divided by the length of a whole matrix. Take lengths with dim=1, each row by its own."
    columns = "You took the lengths of columns. Take lengths with dim=1, one for each row."
    cosines = cosine_similarity(output, target)
    return {
        "Sum over the numbers of a row only: dim=1.": products.sum(),
        "You summed over the rows. Sum over the numbers of each row: dim=1.": products.sum(0),
        "That is each row with every row. Multiply number by number, then sum: dim=1.": cosines_of(output, target),
        "This is the dot product: divide it by the length of the one and by the length of the other.": dots,
        "You divided by one length, that of output; divide by the other too.": dots / a,
        "You divided by one length, that of target; divide by the other too.": dots / b,
        "A length is the square root of the sum of squares; the root is missing.": dots / (a * b) ** 2,
        "The sign counts: opposite directions have a cosine of −1.": cosines.abs(),
        "You multiplied by the second length. Put both lengths in parentheses: dot / (a * b).": dots / a * b,
        "You added the lengths. Multiply them: dot / (a * b).": dots / (a + b),
        "That is 1 − cosine, the loss. The cosine itself is wanted.": 1 - cosines,
        "That is the angle. Its cosine is wanted: leave out the acos.": cosines.acos(),
        "The sum over each row is missing: .sum(dim=1).": products / (a * b)[:, None],
        "One column too many: take sums and lengths without keepdim.": cosines[:, None],
        columns: (output / output.norm(dim=0) * (target / target.norm(dim=0))).sum(1),
        one_length: dots / (output.norm() * target.norm()),
    }


cosine_per_row = Exercise(
    "4.1",
    "cosine_per_row(output, target) → the cosine of each row of output with the same row of target, (n,)",
    right=cosine_similarity,
    checks=_cosine_checks,
    slips=_cosine_slips,
    hint="Multiply, sum over the numbers of a row, divide by both lengths, taken with dim=1, each row by its own.",
    errors={RuntimeError: "If sizes do not match: sum over the numbers of a row, dim=1, and take lengths so too."},
)


# --- 4.2 -------------------------------------------------------------------------------------------------------------

ALL_PLANES = "These are the cells of all planes. Everything passes through one plane, the middle one: count that."
CELLS = "These are the cells of the middle plane. How many numbers does each of them pass on?"

latent_dim = Exercise(
    "4.2",
    "latent_dim(lattice_size, bottleneck) → how many numbers pass the middle plane; the size is (depth, rows, columns)",
    right=lambda size, bottleneck: size[1] * size[2] * bottleneck,
    checks=lambda: [
        [Case(((8, 8, 8), 4), hint="Cells of one plane times numbers a cell.")],
        [Case(((8, 8, 8), 2), hint="Use bottleneck.")],
        [Case(((5, 3, 7), 2), hint="A plane has rows × columns cells; depth only says how many planes.")],
    ],
    slips=lambda size, bottleneck: {
        ALL_PLANES: math.prod(size) * bottleneck,
        CELLS: size[1] * size[2],
        "The size is (depth, rows, columns): you multiplied depth and rows.": size[0] * size[1] * bottleneck,
        "You counted the numbers that are cut off. Count those that pass.": size[1] * size[2] * (12 - bottleneck),
    },
)


# --- 4.3 -------------------------------------------------------------------------------------------------------------


def _pca(train: Tensor, test: Tensor, k: int) -> Tensor:
    mean = train.mean(0)
    directions = svd(train - mean, full_matrices=False).Vh[:k]
    return _through(test, directions, mean)


def _through(test: Tensor, directions: Tensor, mean: Tensor) -> Tensor:
    """The test vectors projected on directions, which are rows, and back."""
    return (test - mean) @ directions.T @ directions + mean


def _pca_checks() -> list[list[Case]]:
    # Six directions of different strength about a mean far from zero.
    mixing = random_vectors(6, 6, seed=5) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.25, 0.125])[:, None]
    mean = torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 1.0])
    train, test = random_vectors(40, 6, seed=6) @ mixing + mean, random_vectors(10, 6, seed=7) @ mixing + mean + 0.3
    back = (
        "With k = 6 of 6 the test vectors must come back. Subtract and add the mean of train once, use unit directions."
    )
    off = "With k = 2 the result is off. Directions: the strongest eigenvectors of train's covariance, or rows of Vh."
    return [
        [Case((train, test, 2), only_shape=True)],
        [Case((train, test, 6), hint=back)],
        [Case((train, test, 2), hint=off)],
    ]


def _pca_slips(train: Tensor, test: Tensor, k: int) -> dict[str, Tensor]:
    mean, zero = train.mean(0), torch.zeros(train.shape[1])
    centered = train - mean
    vectors = eigh(centered.T @ centered).eigenvectors  # columns, the weakest direction first
    directions, uncentered = svd(centered, full_matrices=False).Vh, svd(train, full_matrices=False).Vh[:k]
    best = directions[:k]
    test_mean = "You subtracted the mean of the test vectors. Use the mean of train, before and after."
    no_mean = "The mean is never subtracted. PCA looks at deviations from the mean: center first."
    rows = "You took rows of the eigenvectors. Their columns are the directions, the strongest last: vectors[:, -k:]."
    weakest = (
        "These are the weakest directions. eigh sorts upward: take the last k. svd sorts downward: take the first k."
    )
    columns = (
        "You took columns of Vh. Its rows are the directions: Vh[:k]. (In the V of torch.svd they are the columns.)"
    )
    only_added = "The mean is added at the end and never subtracted. Subtract it before you project."
    strength = svd(centered, full_matrices=False).S[:k, None] * best  # (k, dim)
    overall = train.mean()
    one_mean = "You took one mean of all numbers. Each number has a mean of its own: train.mean(dim=0)."
    return {
        "These are codes, (m, k). Go back with the k directions, (k, dim).": (test - mean) @ best.T,
        "With k of 6 directions something must be lost, and these are the test vectors themselves.": test,
        "A cloud about zero: yours lack the mean. Add the mean of train at the end.": _through(test - mean, best, zero),
        "You fitted on the test vectors. That is a leak: the model may only look at train.": _pca(test, test, k),
        weakest: _through(test, vectors.T[:k], mean),
        test_mean: _through(test, best, test.mean(0)),
        "The directions are those of uncentered vectors. Center train first.": _through(test, uncentered, mean),
        no_mean: _through(test, uncentered, zero),
        "The test vectors are projected without their mean taken out: test - mean.": _through(test, best, zero),
        only_added: _through(test, best, zero) + mean,
        one_mean: _through(test, svd(train - overall, full_matrices=False).Vh[:k], overall),
        "You multiplied the code by S. Directions are enough: leave S out.": (test - mean) @ best.T @ strength + mean,
        columns: _through(test, directions[:, :k].T, mean),
        rows: _through(test, vectors[-k:], mean),
    }


pca_reconstruct = Exercise(
    "4.3",
    "pca_reconstruct(train, test, k) → test (m, dim) rebuilt from k principal components of train (n, dim), (m, dim)",
    right=_pca,
    checks=_pca_checks,
    slips=_pca_slips,
    hint="One row for each test row, with all its numbers again: the code (m, k) times the directions (k, dim).",
    errors={RuntimeError: "If shapes do not fit: directions are rows, (k, dim). Project with .T, go back without it."},
    same=partial(same, tolerance=1e-3),
)


# --- 4.4 -------------------------------------------------------------------------------------------------------------

column_lost = Exercise(
    "4.4",
    "column_lost(p, planes) → the chance that at least one of `planes` cells is dead, each of them with chance p",
    right=lambda p, planes: 1 - (1 - p) ** planes,
    checks=lambda: [
        cases((0.2, 3)),  # first, since here all the usual slips give different numbers
        cases((0.0, 8), (0.25, 1)),
        cases((1.0, 8), (0.5, 3)),
        cases((0.05, 8), (0.05, 3)),
    ],
    slips=lambda p, planes: {
        "Columns with two dead cells are counted twice. How likely is it that all cells live?": p * planes,
        "This is the chance that the column is whole. Which chance is left?": (1 - p) ** planes,
        "This is the chance that all its cells are dead. One dead cell is enough.": p**planes,
        "This is the chance that not all its cells are dead. One dead cell is enough.": 1 - p**planes,
        "This is the chance for all 8 planes. Use planes.": 1 - (1 - p) ** 8,
        "This is the chance for one cell. The number goes through several.": p,
        "You subtracted p once for each plane. Chances that must all come true are multiplied.": 1 - p * planes,
        "You left out a cell: the column has one in each of the planes.": 1 - (1 - p) ** (planes - 1),
        "You counted a cell too many: the column has one in each of the planes.": 1 - (1 - p) ** (planes + 1),
        "This is the chance that exactly one cell is dead. Two are as bad.": planes * p * (1 - p) ** (planes - 1),
        "A chance is a number from 0 to 1, not a percentage.": 100 * (1 - (1 - p) ** planes),
    },
    hint="A column is lost unless all its cells live.",
)
