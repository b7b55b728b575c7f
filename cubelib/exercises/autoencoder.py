"""Checks for the exercises of notebook 04.

The right answers are computed by cubelib, and the usual wrong ones too, so that the message can name the slip.

Taught in notebook 04.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.evaluation.baselines import PCA
from cubelib.exercises.verdict import Mistake, expect_tensor, in_groups, judge
from cubelib.lattice import CubicCore
from cubelib.metrics import EmbeddingMetrics

CosinePerRow = Callable[[Tensor, Tensor], Tensor]
CodeSize = Callable[[tuple[int, int, int], int], int]
PcaReconstruct = Callable[[Tensor, Tensor, int], Tensor]
ColumnLost = Callable[[float, int], float]


def cosine_per_row(function: CosinePerRow) -> None:
    """Exercise 4.1: the cosine of each row of one matrix with the same row of another.

    Args:
        function: `function(output, target)`, both `(n, dim)` → `(n,)`.

    Example:
        >>> cosine_per_row(lambda output, target: (output * target).sum())
        Exercise 4.1: check 1 of 4 does not pass. cosine_per_row of two (3, 5) matrices has shape (), expected (3,). \
Sum over the numbers of a row only: dim=1.
    """
    judge("4.1", function, [_one_number_a_row, _known_angles, _lengths_do_not_count, _same_as_the_library])


def _vectors(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _one_number_a_row(function: CosinePerRow) -> None:
    found = function(_vectors(3, 5, seed=1), _vectors(3, 5, seed=2))
    expect_tensor(found, (3,), "cosine_per_row of two (3, 5) matrices", "Sum over the numbers of a row only: dim=1.")


def _known_angles(function: CosinePerRow) -> None:
    target = torch.tensor([[1.0, 0.0]])
    for row, right, words in (
        ([1.0, 0.0], 1.0, "the same direction"),
        ([0.0, 1.0], 0.0, "a right angle"),
        ([-1.0, 0.0], -1.0, "opposite directions"),
    ):
        found = float(function(torch.tensor([row]), target)[0])
        if abs(found - right) > 1e-5:
            raise Mistake(
                f"The cosine of {row} with [1.0, 0.0] is {right} ({words}); cosine_per_row gives {found:.4f}. Multiply "
                "number by number, then sum over the row."
            )


def _lengths_do_not_count(function: CosinePerRow) -> None:
    row = torch.tensor([[3.0, 4.0]])  # length 5
    found = float(function(row, row)[0])
    if abs(found - 25.0) < 1e-4:
        hint = "This is the dot product: divide it by the length of the one and by the length of the other."
    elif abs(found - 5.0) < 1e-4:
        hint = "You divided by one length; divide by the other too."
    elif abs(found - 1 / 25) < 1e-4:
        hint = "A length is the square root of the sum of squares; the root is missing."
    else:
        hint = "Divide the dot product by both lengths."
    if abs(found - 1.0) > 1e-5:
        raise Mistake(f"The cosine of [3.0, 4.0] with itself is 1; cosine_per_row gives {found:.4f}. {hint}")


def _same_as_the_library(function: CosinePerRow) -> None:
    output, target = 3 * _vectors(20, 768, seed=3), _vectors(20, 768, seed=4)
    found, right = function(output, target), EmbeddingMetrics.cosine_per_item(output, target)
    far = (found - right).abs()
    if far.max() > 1e-5:
        row = int(far.argmax())
        raise Mistake(
            f"On 20 random rows of 768 numbers, row {row} has cosine {right[row]:.4f}; cosine_per_row gives "
            f"{found[row]:.4f}. Are the lengths taken row by row (dim=1), each row by its own?"
        )


def latent_dim(function: CodeSize) -> None:
    """Exercise 4.2: how many numbers pass the bottleneck of a lattice.

    Args:
        function: `function(lattice_size, bottleneck)` → whole number; lattice_size is (depth, rows, columns).

    Example:
        >>> latent_dim(lambda lattice_size, bottleneck: 256)
        Exercise 4.2: check 2 of 3 does not pass. latent_dim((8, 8, 8), 2) gives 256, expected 128. Use bottleneck.
    """
    judge("4.2", function, [_the_default_cube, _another_bottleneck, _another_lattice])


def _expect_latent_dim(function: CodeSize, size: tuple[int, int, int], bottleneck: int, hint: str) -> None:
    call, found = f"latent_dim({size}, {bottleneck})", function(size, bottleneck)
    if found is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(found, bool) or not isinstance(found, int):
        raise Mistake(f"{call} gives {found!r}, expected a whole number (int): numbers are counted here.")
    right = CubicCore(size, 1, state_channels=bottleneck, hidden=1, bottleneck=bottleneck).latent_dim
    depth, rows, columns = size
    if found == depth * rows * columns * bottleneck:
        hint = "These are the cells of all planes. Everything passes through one plane, the middle one: count that."
    elif found == rows * columns:
        hint = "These are the cells of the middle plane. How many numbers does each of them pass on?"
    if found != right:
        raise Mistake(f"{call} gives {found}, expected {right}. {hint}")


def _the_default_cube(function: CodeSize) -> None:
    _expect_latent_dim(function, (8, 8, 8), 4, "Cells of one plane times numbers a cell.")


def _another_bottleneck(function: CodeSize) -> None:
    _expect_latent_dim(function, (8, 8, 8), 2, "Use bottleneck.")


def _another_lattice(function: CodeSize) -> None:
    _expect_latent_dim(function, (5, 3, 7), 2, "A plane has rows × columns cells; depth only says how many planes.")


def pca_reconstruct(function: PcaReconstruct) -> None:
    """Exercise 4.3: give back test vectors from k principal components of the training vectors.

    Args:
        function: `function(train, test, k)`, train `(n, dim)`, test `(m, dim)` → `(m, dim)`.

    Example:
        >>> pca_reconstruct(lambda train, test, k: test)
        Exercise 4.3: check 2 of 4 does not pass. With k = 2 of 6 something must be lost, and the result is the test \
vectors themselves. Keep only k directions.
    """
    judge("4.3", function, [_as_many_as_asked, _something_is_lost, _nothing_is_lost, _same_as_pca])


def _correlated() -> tuple[Tensor, Tensor]:
    """(40, 6) training and (10, 6) test vectors: six directions of unlike strength about a mean far from zero."""
    mixing = _vectors(6, 6, seed=5) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.25, 0.125])[:, None]
    mean = torch.tensor([2.0, -1.0, 0.5, 3.0, -2.0, 1.0])
    return _vectors(40, 6, seed=6) @ mixing + mean, _vectors(10, 6, seed=7) @ mixing + mean + 0.3


def _as_many_as_asked(function: PcaReconstruct) -> None:
    train, test = _correlated()
    hint = "One row for each test row, with all its numbers again: the code (m, k) times the k directions (k, dim)."
    expect_tensor(function(train, test, 2), tuple(test.shape), "pca_reconstruct(train (40, 6), test (10, 6), 2)", hint)


def _something_is_lost(function: PcaReconstruct) -> None:
    train, test = _correlated()
    if torch.allclose(function(train, test, 2), test, atol=1e-4):
        raise Mistake(
            "With k = 2 of 6 something must be lost, and the result is the test vectors themselves. Keep only k "
            "directions."
        )


def _nothing_is_lost(function: PcaReconstruct) -> None:
    train, test = _correlated()
    found = function(train, test, 6)
    if torch.allclose(found, test - train.mean(0), atol=1e-3):
        raise Mistake("With k = 6 of 6 the test vectors must come back; yours lack the mean. Add it at the end.")
    if not torch.allclose(found, test, atol=1e-3):
        raise Mistake(
            f"With k = 6 of 6 the test vectors must come back; yours are off by {(found - test).abs().max():.4f}. "
            "Subtract the mean once, add the same mean once; directions are rows of length 1 at right angles."
        )


def _same_as_pca(function: PcaReconstruct) -> None:
    train, test = _correlated()
    found = function(train, test, 2)
    hint = "Directions: eigenvectors of the training covariance with the largest eigenvalues, or rows of Vh of an SVD."
    for what, wrong in _usual_slips(train, test).items():
        if torch.allclose(found, wrong, atol=1e-3):
            hint = what
    right = PCA(2).fit(train, train).predict(test)
    if not torch.allclose(found, right, atol=1e-3):
        raise Mistake(f"With k = 2 the result is off by up to {(found - right).abs().max():.4f}. {hint}")


def _usual_slips(train: Tensor, test: Tensor) -> dict[str, Tensor]:
    """What a wrong computation gives at k = 2 → what to say about it."""
    centered = train - train.mean(0)
    axes = torch.linalg.eigh(centered.T @ centered).eigenvectors.T  # rows, the weakest direction first
    _, _, uncentered = torch.linalg.svd(train, full_matrices=False)
    mean = train.mean(0)

    def through(rows: Tensor, about: Tensor) -> Tensor:
        return (test - about) @ rows.T @ rows + about

    return {
        "You fitted on the test vectors. That is a leak: the model may only look at train.": PCA(2)
        .fit(test, test)
        .predict(test),
        "These are the weakest directions: eigh sorts from small to large, take the last k.": through(axes[:2], mean),
        "You subtracted the mean of the test vectors. Use the mean of train, before and after.": through(
            axes[-2:], test.mean(0)
        ),
        "The directions are taken before the mean was subtracted. Center train first.": through(uncentered[:2], mean),
        "The mean is never subtracted. PCA looks at deviations from the mean: center first.": through(
            uncentered[:2], torch.zeros_like(mean)
        ),
    }


def column_lost(function: ColumnLost) -> None:
    """Exercise 4.4: the chance that at least one of several cells behind each other is dead.

    Args:
        function: `function(p, planes)` → chance, 0 … 1; each cell of the planes is dead with chance p.

    Example:
        >>> column_lost(lambda p, planes: p * planes)
        Exercise 4.4: check 1 of 4 does not pass. column_lost(0.25, 2) gives 0.5, expected 0.4375. Columns with two \
dead cells are counted twice. How likely is it that all cells live?
    """
    judge(
        "4.4",
        function,
        in_groups(
            _expect_chance,
            [(0.25, 2)],  # first, since here all the usual slips give different numbers
            [(0.0, 8), (0.25, 1)],
            [(1.0, 8), (0.5, 3)],
            [(0.05, 8), (0.05, 3)],
        ),
    )


def _expect_chance(function: ColumnLost, p: float, planes: int) -> None:
    call, found = f"column_lost({p:g}, {planes})", function(p, planes)
    if found is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Mistake(f"{call} gives {found!r}, expected a number from 0 to 1.")
    right = 1 - (1 - p) ** planes
    hint = "A column is lost unless all its cells live."
    for what, wrong in {
        "Columns with two dead cells are counted twice. How likely is it that all cells live?": p * planes,
        "This is the chance that the column is whole. Which chance is left?": (1 - p) ** planes,
        "This is the chance that all its cells are dead. One dead cell is enough.": p**planes,
        "This is the chance that not all its cells are dead. One dead cell is enough.": 1 - p**planes,
        "This is the chance for all 8 planes. Use planes.": 1 - (1 - p) ** 8,
        "This is the chance for one cell. The number goes through several.": p,
    }.items():
        if abs(found - wrong) < 1e-6:
            hint = what
            break
    if not abs(found - right) < 1e-6:
        raise Mistake(f"{call} gives {found:.4g}, expected {right:.4g}. {hint}")
