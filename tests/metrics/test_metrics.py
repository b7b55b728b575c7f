"""EmbeddingMetrics against sums done by hand, and what every metric does with vectors that are not quite right."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cubelib import EmbeddingMetrics
from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError

OUTPUT = torch.tensor([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]])
TARGET = torch.tensor([[4.0, 3.0], [0.0, 1.0], [1.0, 0.0]])


def mean_rank(output, target):
    return EmbeddingMetrics.retrieval(output, target, torch.arange(len(output))).rank.mean().item()


# Every figure of two sets of vectors as one number. Neighbor figures with k = 2.
FIGURES = {
    "cosine": EmbeddingMetrics.calculate_cosine_similarity,
    "mse": EmbeddingMetrics.calculate_mse_loss,
    "semantic preservation": EmbeddingMetrics.calculate_semantic_preservation,
    "norm ratio": lambda o, t: EmbeddingMetrics.norm_ratio_per_item(o, t).mean().item(),
    "spearman": EmbeddingMetrics.similarity_spearman,
    "overlap": lambda o, t: EmbeddingMetrics.neighbor_overlap(o, t, k=2),
    "cka": EmbeddingMetrics.linear_cka,
    "plain cka": lambda o, t: EmbeddingMetrics.linear_cka(o, t, debiased=False),
    "mrr": EmbeddingMetrics.calculate_mrr,
    "rank": mean_rank,
    "hubness": lambda o, t: EmbeddingMetrics.hubness(o, t, k=2).skewness,
}
every_figure = pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)


def whole_numbers(rows: int = 9, dim: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Small whole numbers, which every type holds exactly; no row is zero."""
    generator = torch.Generator().manual_seed(seed)
    output, noise = (torch.randint(-9, 10, (rows, dim), generator=generator).float() for _ in range(2))
    output[:, 0] += 0.5
    output *= 2
    return output, output + noise


def test_cosine_and_mse_are_what_the_hand_calculates():
    torch.testing.assert_close(EmbeddingMetrics.cosine_per_item(OUTPUT, TARGET), torch.tensor([0.96, -1.0, 0.0]))
    torch.testing.assert_close(EmbeddingMetrics.mse_per_item(OUTPUT, TARGET), torch.tensor([1.0, 4.5, 0.5]))
    figures = EmbeddingMetrics.compute_batch_metrics(OUTPUT, TARGET)
    assert figures == {
        "cosine_similarity": pytest.approx(-0.04 / 3),
        "mse_loss": pytest.approx(2.0),
        "semantic_preservation": pytest.approx(-0.04 / 9),
    }
    assert EmbeddingMetrics(device="cpu").calculate_mse_loss(OUTPUT, TARGET) == figures["mse_loss"]
    ratio = EmbeddingMetrics.norm_ratio_per_item
    torch.testing.assert_close(ratio(OUTPUT, TARGET), torch.tensor([1.0, 2.0, 0.0]))
    with pytest.raises(DataError, match="divides by the targets' lengths, and 1 of them are 0"):
        ratio(TARGET, OUTPUT)


@given(st.floats(-20, 20), st.floats(-20, 20))
@settings(max_examples=30, deadline=None)
def test_lengths_from_tiny_to_huge_leave_directions_as_they_are(one, other):
    output, target = whole_numbers()
    far, near = output * 10.0**one, target * 10.0**other
    cosine = EmbeddingMetrics.cosine_per_item
    torch.testing.assert_close(cosine(far, near), cosine(output, target), rtol=1e-4, atol=1e-4)
    ratio = EmbeddingMetrics.norm_ratio_per_item
    torch.testing.assert_close(ratio(far, near), ratio(output, target) * 10.0 ** (one - other), rtol=1e-4, atol=0)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("name", ["spearman", "drawn spearman", "overlap", "mrr", "rank", "hubness"])
def test_squares_of_huge_and_tiny_numbers_do_not_overflow(name, scale):
    drawn = {"drawn spearman": lambda o, t: EmbeddingMetrics.similarity_spearman(o, t, pairs=30)}
    output, target = whole_numbers()
    figure = (FIGURES | drawn)[name]
    assert figure(scale * output, target) == pytest.approx(figure(output, target), abs=1e-6)


def test_the_more_precise_type_of_two_is_the_result_s():
    output, target = whole_numbers()
    figure = EmbeddingMetrics.cosine_per_item
    kinds = [figure(one, other).dtype for one in (output, output.double()) for other in (target, target.double())]
    assert kinds == [torch.float32, torch.float64, torch.float64, torch.float64]


def test_no_cosine_is_above_one():
    vectors = torch.randn(500, 50, generator=torch.Generator().manual_seed(0)).double()
    for sign in (1, -1):
        assert EmbeddingMetrics.cosine_per_item(vectors, sign * vectors).abs().max() <= 1


@every_figure
def test_every_figure_takes_every_type_and_says_the_same(figure, tmp_path):
    output, target = whole_numbers()
    expected = figure(output, target)
    assert math.isfinite(expected)
    others = [
        (output.to(kind), target.to(kind)) for kind in (torch.float64, torch.float16, torch.bfloat16, torch.int16)
    ]
    others += [(output.numpy().astype(kind), target.numpy().astype(kind)) for kind in ("f4", "f8", "f2", "i8")]
    others += [(output.double(), target), (output, target.numpy()), (output.numpy()[::-1][::-1], target)]
    np.save(tmp_path / "o.npy", output.numpy())
    np.save(tmp_path / "t.npy", target.numpy())
    others += [(VectorFile(tmp_path / "o.npy"), VectorFile(tmp_path / "t.npy"))]
    others += [(np.load(tmp_path / "o.npy", mmap_mode="r"), np.load(tmp_path / "t.npy", mmap_mode="r"))]
    assert [figure(*pair) for pair in others] == [pytest.approx(expected, abs=1e-5)] * len(others)


@every_figure
@pytest.mark.filterwarnings("error")
def test_every_figure_has_a_value_for_vectors_that_say_nothing(figure):
    output, target = whole_numbers()
    for empty in (torch.zeros(9, 4), torch.ones(9, 4), -torch.ones(9, 4)):
        assert math.isfinite(figure(empty, target)) and math.isfinite(figure(empty, torch.ones(9, 4)))
    output[3] = 0
    assert math.isfinite(figure(output, target))


@every_figure
@pytest.mark.parametrize(
    ("output", "target", "message"),
    [
        (torch.ones(3), torch.ones(3, 1), r"outputs|left|original .* must be \(n, dim\) .* got \(3,\)"),
        (torch.ones(0, 3), torch.ones(0, 3), r"n and dim at least 1; got \(0, 3\)"),
        (torch.ones(3, 0), torch.ones(3, 0), r"n and dim at least 1; got \(3, 0\)"),
        (torch.tensor([[1.0], [math.nan], [1.0]]), torch.ones(3, 1), "1 of 3 .* NaN or infinite numbers, .* at row 1"),
        (torch.ones(3, 1), torch.tensor([[math.inf]] * 3), "3 of 3 .* NaN or infinite numbers, .* at row 0"),
        ([[1.0]] * 3, torch.ones(3, 1), "must be a torch tensor, a NumPy array or a VectorFile of real .* got list"),
        (torch.ones(3, 1) * 1j, torch.ones(3, 1), "real numbers, .* got torch.complex64"),
        (np.array([["a"]] * 3), torch.ones(3, 1), "cannot be read as numbers"),
    ],
)
def test_what_has_no_figure_is_named(figure, output, target, message):
    with pytest.raises(DataError, match=message):
        figure(output, target)


@pytest.mark.parametrize(
    ("name", "items", "message"),
    [
        ("spearman", 1, "needs 3 items or more; got 1"),
        ("spearman", 2, "needs 3 items or more; got 2"),
        ("cka", 3, "needs 4 items or more; got 3"),
        ("plain cka", 1, "needs 2 items or more; got 1"),
        ("overlap", 1, "2 neighbors of a single item"),
        ("overlap", 2, "there are 1 neighbors to choose from, and k = 2"),
        ("hubness", 1, "there are 1 neighbors to choose from, and k = 2"),
    ],
)
def test_too_few_items_for_a_structure_are_named(name, items, message):
    with pytest.raises(DataError, match=message):
        FIGURES[name](torch.eye(5)[:items], torch.eye(5)[:items])


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("cosine", ((2, 3), (3, 3)), "of one shape (n, dim), with n at least 1; got (2, 3) and (3, 3)"),
        ("mrr", ((2, 3), (2, 4)), "of one shape (n, dim), with n at least 1; got (2, 3) and (2, 4)"),
        ("cka", ((2, 3), (3, 3)), "of the same n items, with n at least 1; got (2, 3) and (3, 3)"),
        ("hubness", ((3, 3), (3, 4)), "equally wide; got (3, 3) and (3, 4)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(name, shapes, message):
    with pytest.raises(DataError, match=re.escape(message)):
        FIGURES[name](*map(torch.ones, shapes))


@every_figure
def test_blocks_change_nothing(figure, monkeypatch):
    output, target = whole_numbers(rows=30)
    expected = figure(output, target)
    for module in ("rows", "retrieval", "structure"):
        monkeypatch.setattr(f"cubelib.metrics.{module}.BLOCK", 7)
    monkeypatch.setattr("cubelib.metrics.rows.ENTRIES", 100)  # three rows of similarities
    assert figure(output, target) == pytest.approx(expected, abs=1e-5)
