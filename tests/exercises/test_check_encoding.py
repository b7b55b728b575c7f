"""Wrong answers to the exercises of notebook 01, and what they are told. The right ones are in test_notebooks.py."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from cubelib.exercises import encoding


def lengths(values):
    return values.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda left, right: None, "gives None"),
        (lambda left, right: (left[:3] * right[:3]).sum(1), "has shape (3,), expected (3, 4)"),
        (lambda left, right: right @ left.T, "Rows and columns are exchanged: put left first"),
        (lambda left, right: left @ right.T, "This is the dot product"),
        (lambda left, right: left @ right.T / lengths(left), "You divided by one length"),
        (lambda left, right: left @ right.T / (lengths(left) * lengths(right).T) ** 2, "the root is missing"),
        (lambda left, right: (normalize(left) @ normalize(right).T).abs(), "opposite directions have −1"),
        (lambda left, right: left @ right.T / (left.norm() * right.norm()), "a length is row.norm()"),
        (lambda left, right: left @ right.T / lengths(left)[0] / lengths(right).T, "Each row has its own length"),
        (
            lambda left, right: _transposed_where_square(left, right),
            "row i, column j is the cosine of left[i] with right[j]",
        ),
    ],
)
def test_wrong_cosine_matrices_are_told_what_is_wrong(answer, lesson, capsys):
    encoding.cosine_matrix(answer)
    assert lesson in capsys.readouterr().out


def _transposed_where_square(left, right):
    cosines = normalize(left) @ normalize(right).T
    return cosines.T if len(left) == len(right) else cosines


def near(vectors, diagonal=-torch.inf, *, unit=True):
    vectors = normalize(vectors) if unit else vectors
    return (vectors @ vectors.T).fill_diagonal_(diagonal)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda v: near(v), "has shape (5, 5), expected (5,)"),
        (lambda v: near(v).max(1).values, "indices are whole numbers"),
        (lambda v: near(v).argmax(1) + 5, "there are rows 0 to 4"),
        (lambda v: near(v, 1.0).argmax(1), "put the diagonal out of the race"),
        (lambda v: near(v, torch.inf).argmin(1), "the largest cosine, not the smallest"),
        (lambda v: near(v, 0.0).argmax(1), "A 0 on the diagonal still wins"),
        (lambda v: near(v).abs().fill_diagonal_(-1).argmax(1), "a large negative one is far away"),
        (lambda v: near(v, unit=False).argmax(1), "These are the largest dot products"),
        (lambda v: (-torch.cdist(v, v)).fill_diagonal_(-torch.inf).argmax(1), "These are the smallest distances"),
        (lambda v: near(v, 1.0).topk(2).indices[:, 1], "may be the row itself"),
    ],
)
def test_wrong_neighbors_are_told_what_is_wrong(answer, lesson, capsys):
    encoding.nearest_other(answer)
    assert lesson in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda train, test: normalize(train - train.mean(0)), "has shape (40, 6), expected (10, 6)"),
        (lambda train, test: normalize(test), "nothing was subtracted"),
        (lambda train, test: normalize(test - train.mean()), "You subtracted one number"),
        (lambda train, test: normalize(test + train.mean(0)), "Subtract it."),
        (lambda train, test: normalize((test - train.mean(0)) / train.std(0)), "divided by the standard deviation"),
        (lambda train, test: normalize(test - normalize(train.mean(0), dim=0)), "as it is"),
        (lambda train, test: normalize(test - test.mean(0)), "You used the mean of test:"),
        (lambda train, test: normalize(test - torch.cat([train, test]).mean(0)), "the mean of train and test together"),
        (lambda train, test: test - train.mean(0), "The directions are right; the first row has length"),
        (lambda train, test: normalize(test - train.median(0).values), "Subtract train.mean(dim=0) from test"),
    ],
)
def test_wrong_centring_is_told_what_is_wrong(answer, lesson, capsys):
    encoding.centered(answer)
    assert lesson in capsys.readouterr().out


def counted(eigenvalues, share, *, extra=1, sort=True, divide=True, power=1, equal=False):
    """How many directions are needed, with a slip to choose."""
    values = (eigenvalues.sort(descending=True).values if sort else eigenvalues) ** power
    sums = values.cumsum(0)
    limit = share * (sums[-1] if divide else 1)
    return int((sums <= limit if equal else sums < limit).sum()) + extra


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda values, share: None, "gives None"),
        (lambda values, share: counted(values, share) / 1, "expected a whole number"),
        (lambda values, share: counted(values, share, extra=0), "one more is needed"),
        (lambda values, share: counted(values, share, extra=2), "you are one too far"),
        (lambda values, share: int((values > share).sum()), "from the largest down until"),
        (lambda values, share: counted(values, share, equal=True), "(<, not <=)"),
        (lambda values, share: counted(values, share, sort=False), "Sort them first"),
        (lambda values, share: counted(values, 16 * share, divide=False), "Divide by the sum of all eigenvalues"),
        (lambda values, share: counted(values, share) + (share == 1), "there are only 4 directions"),
    ],
)
def test_wrong_dimensions_are_told_what_is_wrong(answer, lesson, capsys):
    encoding.effective_dimension(answer)
    assert lesson in capsys.readouterr().out


def test_squared_eigenvalues_are_noticed(capsys):
    encoding.effective_dimension(lambda values, share: counted(values, share, power=2))
    assert "does not pass" in capsys.readouterr().out


def test_a_whole_number_in_a_tensor_is_accepted(capsys):
    encoding.effective_dimension(lambda values, share: torch.tensor(counted(values, share)))
    assert "all 4 checks passed" in capsys.readouterr().out
