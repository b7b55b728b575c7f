"""Wrong answers to the exercises of notebook 02, and what they are told. The right ones are in test_notebooks.py."""

from __future__ import annotations

import math

import pytest
import torch

from cubelib import EmbeddingReshaper
from cubelib.exercises import reshaping


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda dim, rows, columns: None, "gives None"),
        (lambda dim, rows, columns: dim / (rows * columns), "gives 12, expected a whole number (int)"),
        (lambda dim, rows, columns: "12", "expected a whole number"),
        (lambda dim, rows, columns: dim // (rows * columns), "36 of 100 find no place. Round up"),
        (lambda dim, rows, columns: round(dim / (rows * columns)), "find no place. Round up"),
        (lambda dim, rows, columns: dim // (rows * columns) + 1, "768 is 12 × 64 exactly"),
        (lambda dim, rows, columns: math.ceil(dim / 64), "This one has 16 × 16 cells"),
        (lambda dim, rows, columns: math.ceil(dim / (rows * columns)) * rows * columns, "How many does one cell take?"),
        (lambda dim, rows, columns: math.ceil(dim / rows), "A face has rows × columns cells: 64"),
        (lambda dim, rows, columns: math.ceil(dim / (rows * rows)), "check 3 of 3"),
        (lambda dim, rows, columns: math.ceil(dim / (rows * columns)) + 2, "one channel fewer"),
    ],
)
def test_wrong_channels_are_told_what_is_wrong(answer, lesson, capsys):
    reshaping.channels(answer)
    assert lesson in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda v, r, c, k: None, "gives None"),
        (lambda v, r, c, k: v.view(-1, r, c, k), "That is row_major: a cell takes the next 2 numbers"),
        (lambda v, r, c, k: v.view(-1, k, r, c), "The channels are still in front"),
        (lambda v, r, c, k: v.view(-1, k, r, c).reshape(-1, r, c, k), "That is row_major"),
        (lambda v, r, c, k: v.view(-1, k, r, c).permute(0, 3, 2, 1), "Rows and columns are exchanged: rows come first"),
        (lambda v, r, c, k: v.view(-1, k, c, r).permute(0, 3, 2, 1), "the next number goes to the next column"),
        (lambda v, r, c, k: v[0].view(k, r, c).permute(1, 2, 0), "The batch is missing"),
        (lambda v, r, c, k: v.view(k, -1, r, c).permute(1, 2, 3, 0), "The vectors of the batch are mixed up"),
        (lambda v, r, c, k: _channel_major(v[:1], r, c, k).repeat(len(v), 1, 1, 1), "in cell (0, 0) of vector 1"),
        (
            lambda v, r, c, k: v.view(-1, k, r, c).permute(0, 3, 1, 2).reshape(-1, r, c, k),
            "The axes are exchanged the wrong way round",
        ),
        (
            lambda v, r, c, k: EmbeddingReshaper(r * c * k, (r, c, k), layout="random").fold(v),
            "Give the vector the shape (batch, channels, rows, columns) first",
        ),
    ],
)
def test_wrong_folds_are_told_what_is_wrong(answer, lesson, capsys):
    reshaping.fold_channel_major(answer)
    assert lesson in capsys.readouterr().out


def test_a_face_that_is_right_only_when_it_is_square_is_noticed(capsys):
    right = EmbeddingReshaper(27, (3, 3, 3), layout="channel_major")
    reshaping.fold_channel_major(
        lambda v, r, c, k: right.fold(v).transpose(1, 2) if r == c == k else _channel_major(v, r, c, k)
    )
    assert "check 3 of 4 does not pass" in capsys.readouterr().out


def _channel_major(vectors, rows, columns, depth):
    return vectors.view(-1, depth, rows, columns).permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda order: None, "gives None"),
        (lambda order: order.argsort().tolist(), "gives a list, expected a torch.Tensor"),
        (lambda order: order.argsort()[:2], "has shape (2,), expected (4,)"),
        (lambda order: order.argsort().float(), "places are whole numbers"),
        (lambda order: order, "only when everything moves in pairs"),
        (lambda order: order.flip(0), "read backwards"),
        (lambda order: order.sort().values, "That changes nothing"),
        (lambda order: order.argsort(descending=True), "counts from the other end"),
        (lambda order: len(order) - order, "some place is missing or named twice"),
        (lambda order: order.argsort() if len(order) < 9 else order, "brings 76"),
        (lambda order: order.argsort() if len(order) < 4 else order.roll(1), "at which place it sits"),
    ],
)
def test_wrong_inverse_orders_are_told_what_is_wrong(answer, lesson, capsys):
    reshaping.inverse_order(answer)
    assert lesson in capsys.readouterr().out


def run_test(fold, unfold, vector, *, step=None, rows=None, later=True, tolerance=1e-6, diagonal=False):
    """The test of exercise 2.4 with a slip to choose."""
    step = 0.01 * vector.abs().mean() * torch.ones_like(vector) if step is None else step(vector)
    given = torch.cat([vector[None], vector + torch.diag(step)[:rows]])
    back = unfold(fold(given).flip(0)).flip(0) if later else unfold(fold(given))
    if diagonal:
        return torch.allclose(back[0], vector, atol=tolerance) and torch.allclose(
            back[1:].diagonal(), given[1:].diagonal(), rtol=0, atol=tolerance
        )
    return torch.allclose(back, given, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda f, u, v: None, "gives None"),
        (lambda f, u, v: "yes", "gives a str for row_major, expected True or False"),
        (lambda f, u, v: u(f(v[None])) == v, "Use .all()"),
        (lambda f, u, v: False, "refuses the row_major layout, a true inverse. Raise one number"),
        (lambda f, u, v: run_test(f, u, v, tolerance=0.0), "A turn rounds in the seventh digit"),
        (lambda f, u, v: True, "compare what comes back number by number"),
        (lambda f, u, v: torch.cosine_similarity(u(f(v[None])), v[None]).item() > 0.99, "rounds to steps of 1/4096"),
        (lambda f, u, v: run_test(f, u, v, tolerance=1e-3), "rounds to steps of 1/4096"),
        (lambda f, u, v: torch.allclose(u(f(v[None]))[0], v, atol=1e-6), "gives back the vectors that it has seen"),
        (lambda f, u, v: run_test(f, u, v, diagonal=True), "another one changes too: compare the whole row"),
        (lambda f, u, v: run_test(f, u, v, rows=4), "Raise every number in turn"),
        (lambda f, u, v: run_test(f, u, v, rows=11), "for number 11"),
        (lambda f, u, v: run_test(f, u, v, later=False), "Fold everything first"),
        (lambda f, u, v: run_test(f, u, v, step=lambda numbers: 0.01 * numbers), "1 % of nothing is nothing"),
    ],
)
def test_wrong_tests_of_an_inverse_are_told_what_is_wrong(answer, lesson, capsys):
    reshaping.is_inverse(answer)
    assert lesson in capsys.readouterr().out


def test_a_verdict_in_a_tensor_is_accepted(capsys):
    reshaping.is_inverse(lambda f, u, v: torch.tensor(run_test(f, u, v)))
    assert "all 6 checks passed" in capsys.readouterr().out


def test_a_test_that_changes_one_number_after_the_other_is_accepted(capsys):
    def one_by_one(fold, unfold, vector):
        step = 0.01 * vector.abs().mean()
        given = [vector[None]] + [vector[None] + step * torch.eye(len(vector))[[i]] for i in range(len(vector))]
        cubes = [fold(vectors) for vectors in given]
        return all(torch.allclose(unfold(c), v, rtol=0, atol=1e-6) for c, v in zip(cubes, given, strict=True))

    reshaping.is_inverse(one_by_one)
    assert "all 6 checks passed" in capsys.readouterr().out
