"""Answers that students gave: right ones in an unusual form pass, and wrong ones are not accused of another mistake."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from cubelib import check
from cubelib.metrics import bootstrap_mean


def near(vectors):
    unit = normalize(vectors)
    return (unit @ unit.T).fill_diagonal_(-torch.inf)


def bootstrap(values, generator, *, size=None, cut=0.025, resamples=2000):
    places = torch.randint(len(values), (resamples, size or len(values)), generator=generator)
    return values[places].mean(1).quantile(torch.tensor([cut, 1 - cut]))


def take_out(dead_cells):
    """Changes the list that it is given."""
    lines = set()
    while dead_cells:
        lines.add(dead_cells.pop()[1:])
    return 768 - 12 * len(lines)


def in_own_row(row, *weights):
    """Changes the row that it is given, once all is computed."""
    row[:] = check.lattice.tick.right(row.clone(), *weights)
    return row


def one_by_one(fold, unfold, vector):
    step = 0.01 * vector.abs().mean() * torch.eye(len(vector))
    given = [vector[None], *(vector[None] + row for row in step)]
    cubes = [fold(vectors) for vectors in given]
    back = [unfold(cube) for cube in cubes]
    return all(torch.allclose(b, g, rtol=0, atol=1e-6) for b, g in zip(back, given, strict=True))


def first_after_sorting(cosines, right):
    return 1 / (right.gather(1, cosines.argsort(1, True)).float().argmax(1) + 1)


def near_both(output, answers):
    return normalize(output) @ normalize(answers).T


def by_harmonic_sums(cosines, right, rivals=False):
    """Ties without a loop; with `rivals` right answers that are equally close rank before one another."""
    best = closest_right(cosines, right)
    closer = (cosines > best).sum(1)
    last = closer + ((cosines == best) & (~right | torch.tensor(rivals))).sum(1) + (0 if rivals else 1)
    sums = torch.cat([torch.zeros(1), (1 / torch.arange(1, cosines.shape[1] + 1)).cumsum(0)])
    return (sums[last] - sums[closer]) / (last - closer)


def closest_right(cosines, right):
    return cosines.masked_fill(~right, -torch.inf).amax(1, keepdim=True)


def lines_by_pandas(rows):
    import pandas

    table = pandas.DataFrame(rows).fillna("")
    empty = (table["question"].str.strip() == "") | (table["answer"].str.strip() == "")
    return table.index[empty] + 2


def by_formula(model, rival):
    difference = model - rival
    reach = 1.96 * difference.std() / len(difference) ** 0.5
    if difference.mean() - reach > 0:
        return "better"
    return "worse" if difference.mean() + reach < 0 else "cannot tell"


RIGHT = [
    (check.start.plane_at_tick, lambda tick, depth: np.int64(min(tick, depth - 1))),
    (check.start.numbers_that_arrive, take_out),
    (check.start.by_chance, lambda k, answers: np.minimum(1, k / answers)),
    (check.encoding.cosine_matrix, lambda a, b: (normalize(a) @ normalize(b).T).numpy()),
    (check.encoding.nearest_other, lambda vectors: near(vectors).argmax(1).tolist()),
    (check.encoding.centered, lambda train, test: list(normalize(test - train.mean(0)))),
    (check.encoding.effective_dimension, lambda v, s: torch.tensor(check.encoding.effective_dimension.right(v, s))),
    (check.reshaping.fold_channel_major, lambda v, r, c, k: v.numpy().reshape(-1, k, r, c).transpose(0, 2, 3, 1)),
    (check.reshaping.inverse_order, lambda order: order.argsort().tolist()),
    (check.reshaping.inverse_order, lambda order: order.argsort(descending=True).numpy()[::-1]),
    (check.reshaping.is_inverse, one_by_one),
    (check.reshaping.is_inverse, lambda f, u, v: np.bool_(one_by_one(f, u, v))),
    (check.lattice.tick, in_own_row),
    (check.lattice.tick, lambda *inputs: check.lattice.tick.right(*inputs).tolist()),
    (check.lattice.neighbors, lambda *inputs: [list(cell) for cell in check.lattice.neighbors.right(*inputs)]),
    (check.lattice.neighbors, lambda *inputs: torch.tensor(check.lattice.neighbors.right(*inputs))),
    (check.lattice.cells_that_know, lambda *inputs: set(check.lattice.cells_that_know.right(*inputs))),
    (check.lattice.cells_that_know, lambda *inputs: torch.tensor(check.lattice.cells_that_know.right(*inputs))),
    (check.autoencoder.cosine_per_row, lambda o, t: (normalize(o) * normalize(t)).sum(1).tolist()),
    (check.autoencoder.column_lost, lambda p, planes: torch.tensor(1 - (1 - p) ** planes)),
    (check.dialogue.sameness, lambda o: near(o)[~torch.eye(len(o), dtype=torch.bool)].mean().item()),
    (check.dialogue.wrong_answers, lambda target: (near(target).fill_diagonal_(1) < 0.999).tolist()),
    (check.dialogue.reciprocal_rank, lambda o, a: by_harmonic_sums(near_both(o, a), torch.eye(len(a)).bool())),
    (check.metrics.reciprocal_rank, lambda c, r: by_harmonic_sums(c, r).tolist()),
    (check.metrics.surely_better, lambda a, b: torch.tensor(bootstrap_mean(a - b).low > 0)),
    (check.metrics.near_copies, lambda *inputs: check.metrics.near_copies.right(*inputs).tolist()),
    (check.own_data.unusable_rows, lines_by_pandas),
    (check.own_data.verdict, by_formula),
    (check.metrics.bootstrap_interval, lambda v, g: bootstrap(v, g.manual_seed(2))),
    (check.metrics.bootstrap_interval, lambda v, g: bootstrap(v, g.manual_seed(3), resamples=1_000)),
    (check.metrics.bootstrap_interval, lambda v, g: bootstrap(v, g, resamples=10_000).tolist()),
]


@pytest.mark.parametrize(("exercise", "answer"), RIGHT)
def test_a_right_answer_passes_in_any_form(exercise, answer, capsys):
    exercise(answer)
    assert capsys.readouterr().out.endswith("checks passed.\n")


def whole_length(train, test):
    moved = test - train.mean(dim=0)
    return moved / moved.norm()


def not_turned_back(fold, unfold, vector):
    given = torch.stack([vector, 1.01 * vector])
    return torch.allclose(unfold(fold(given).flip(0)), given, atol=1e-6)


def cone(steps):
    """An answer to exercise 3.3: the cells whose steps away from the source fit into the ticks."""

    def cells_that_know(ticks, source, size, neighborhood):
        knowing = []
        for cell in product(*map(range, size)):
            away = steps(cell[0], cell[1] - source[0], cell[2] - source[1])
            far = sum(away) if neighborhood == "von_neumann" else max(away)
            if far <= ticks:
                knowing.append(cell)
        return knowing

    return cells_that_know


def endless(ticks, source, size, neighborhood):
    steps = product(range(ticks + 1), range(-ticks, ticks + 1), range(-ticks, ticks + 1))
    within = [step for step in steps if neighborhood == "moore" or sum(map(abs, step)) <= ticks]
    return [(plane, source[0] + row, source[1] + column) for plane, row, column in within]


def replaced(row, behind, level, ahead, out):
    """ "The last cell keeps what it has", read literally."""
    new = check.lattice.tick.right(row, behind, level, ahead, out)
    new[-1] = row[-1]
    return new


def symmetric(output, target, temperature):
    logits, own = normalize(output) @ normalize(target).T / temperature, torch.arange(len(output))
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def columns_of_vh(train, test, k):
    mean = train.mean(0)
    directions = torch.linalg.svd(train - mean, full_matrices=False).Vh[:, :k]
    return (test - mean) @ directions @ directions.T + mean


def first_letters(rows):
    return [line for line, row in enumerate(rows, 2) if not (row["question"] and row["answer"])]


def silent_wins(output, answers):
    cosines = normalize(output) @ normalize(answers).T
    return 1 / ((cosines > cosines.diagonal()[:, None]).sum(1) + 1)


def silent_is_last(output, answers):
    cosines = near_both(output, answers)
    return 1 / (cosines >= cosines.diagonal()[:, None]).sum(1)


def mean_place(output, answers):
    return 2 / (1 / silent_wins(output, answers) + 1 / silent_is_last(output, answers))


def places_in_order(output, answers):
    return (normalize(output) @ normalize(answers).T).argsort(1, descending=True).argsort(1).diagonal()


def columnwise(output, answers):
    cosines = normalize(output) @ normalize(answers).T
    return 1 / (cosines >= cosines.diagonal()).sum(1)


def exact(target):
    unit = normalize(target)
    return unit @ unit.T != 1


def upper_triangle(output):
    return (normalize(output) @ normalize(output).T).triu(1).sum()


def whole_table(output, target, temperature):
    return -(normalize(output) @ normalize(target).T / temperature).log_softmax(1).mean()


def with_replacement(k, answers):
    return 1 - (1 - 1 / answers) ** k


WRONG = [
    (check.encoding.nearest_other, lambda vectors: near(vectors).max(1).values, ".argmax gives them, .max does not."),
    (check.dialogue.wrong_answers, lambda target: 1.0 * (near(target) < 0.9), "a comparison such as cosines < 0.5"),
    (check.start.by_chance, lambda k, answers: k < answers, "expected a number."),
    (check.encoding.centered, whole_length, "You divided all rows by one length."),
    (check.encoding.centered, lambda train, test: test - train.mean(0), "Subtracting changes the lengths"),
    (check.encoding.centered, lambda a, b: normalize(b - b.mean(1, keepdim=True)), "each row's own mean"),
    (check.encoding.centered, lambda a, b: normalize(b - a.mean(0), dim=0), "the lengths of the columns"),
    (check.encoding.cosine_matrix, lambda a, b: normalize(a, dim=0) @ normalize(b, dim=0).T, "lengths of the columns"),
    (check.encoding.cosine_matrix, lambda a, b: (normalize(a) @ normalize(b).T).arccos(), "That is the angle."),
    (check.encoding.effective_dimension, lambda v, share: math.ceil(share * len(v)), "begin with the largest"),
    (check.reshaping.channels, lambda dim, rows, columns: dim / (rows * columns), "gives 12, a decimal number."),
    (check.start.by_chance, with_replacement, "gives 0.004989, expected 0.005. In these k tries"),
    (check.start.by_chance, lambda k, answers: min(1, k / answers) + 1.1e-6 * k, "gives 0.005011, expected 0.005."),
    (check.start.numbers_that_arrive, lambda d: 768 - 12 * len({(p, r) for p, r, _ in d}), "You left the column out."),
    (check.lattice.cells_that_know, cone(lambda z, row, column: (abs(row), abs(column))), "You left out the planes"),
    (check.lattice.cells_that_know, cone(lambda z, row, column: (z, row, column)), "to the right or down: use abs."),
    (check.lattice.cells_that_know, endless, "64 without it. That is the cone in an endless plane."),
    (
        check.lattice.cells_that_know,
        lambda *inputs: len(check.lattice.cells_that_know.right(*inputs)),
        "gives 1, expected a list of cells, each a tuple (plane, row, column).",
    ),
    (check.lattice.tick, replaced, "the last keeps its own and adds what arrives."),
    (check.start.numbers_that_arrive, lambda d: 768 - 12 * len({(p, c) for p, _, c in d}), "You left the row out."),
    (check.start.numbers_that_arrive, lambda d: 768 - 12 * len({plane for plane, _, _ in d}), "You count the planes"),
    (check.start.numbers_that_arrive, lambda d: 768 - 12 * len({row for _, row, _ in d}), "You count rows only."),
    (check.start.numbers_that_arrive, lambda d: 768 - 12 * len({c for _, _, c in d}), "You count columns only."),
    (check.start.numbers_that_arrive, lambda d: 768, "What reaches a dead cell is gone"),
    (check.start.plane_at_tick, lambda tick, depth: min(tick, 7), "Use depth: this lattice does not have 8 planes."),
    (check.lattice.tick, lambda row, *weights: row.tolist(), "The state of the cell behind is carried"),
    (check.autoencoder.cosine_per_row, lambda o, t: normalize(o) @ normalize(t).T, "That is each row with every row."),
    (check.autoencoder.pca_reconstruct, columns_of_vh, "You took columns of Vh."),
    (check.autoencoder.latent_dim, lambda size, bottleneck: 64 * bottleneck, "depth only says how many planes"),
    (check.autoencoder.column_lost, lambda p, planes: math.nan, "gives nan, expected 0.488. Is something divided"),
    (check.dialogue.contrastive_loss, symmetric, "You average both directions."),
    (check.dialogue.wrong_answers, exact, "so ==, != and < 1 fail"),
    (check.dialogue.wrong_answers, lambda target: normalize(target) @ normalize(target).T < 1, "and < 1 fail"),
    (check.dialogue.contrastive_loss, lambda *inputs: 2 * symmetric(*inputs), "You add both directions."),
    (check.dialogue.reciprocal_rank, lambda o, a: 1 / (places_in_order(o, a) + 1), "Sorting breaks ties by luck."),
    (check.dialogue.reciprocal_rank, columnwise, "Write `diagonal()[:, None]`."),
    (check.own_data.unusable_rows, lambda rows: rows[:1], "expected a list of whole numbers, such as [3, 7]."),
    (check.dialogue.wrong_answers, lambda target: target @ target.T < 0.9999, "These are dot products"),
    (
        check.dialogue.wrong_answers,
        lambda target: ~torch.isclose(target @ target.T, torch.ones(())),
        "dot products of 1",
    ),
    (check.dialogue.reciprocal_rank, silent_wins, "You count ties for the model, so silence wins."),
    (check.dialogue.reciprocal_rank, silent_is_last, "ties against the model, so silence is worse than guessing."),
    (check.dialogue.reciprocal_rank, mean_place, "average their reciprocals."),
    (check.metrics.reciprocal_rank, first_after_sorting, "You count ties for the model, so silence wins."),
    (check.metrics.reciprocal_rank, lambda c, r: 1 / ((c > closest_right(c, r)).sum(1) + 1), "so silence wins."),
    (check.metrics.reciprocal_rank, lambda c, r: 1 / (c >= closest_right(c, r)).sum(1), "worse than guessing."),
    (check.metrics.reciprocal_rank, lambda c, r: by_harmonic_sums(c, r, rivals=True), "places: count wrong ones."),
    (check.metrics.bootstrap_interval, lambda v, g: bootstrap(v, g, size=50), "Too wide: you draw fewer"),
    (check.metrics.bootstrap_interval, lambda v, g: bootstrap(v, g, cut=0.05), "That is a 90 % interval"),
    (
        check.metrics.bootstrap_interval,
        lambda v, g: bootstrap(v, g).flip(0) if v.std() else (1, 0),
        "the lower end first",
    ),
    (check.metrics.surely_better, lambda a, b: bootstrap_mean(a).low > bootstrap_mean(b).high, "item by item first"),
    (check.metrics.surely_better, lambda a, b: bool(a.mean() > b.mean()), "A larger mean alone may be luck"),
    (
        check.metrics.surely_better,
        lambda a, b: bootstrap_mean(a.sort().values - b.sort().values).low > 0,
        "Do not sort",
    ),
    (check.metrics.surely_better, lambda a, b: bootstrap_mean(a - b).low >= 0, "Equal models are not better"),
    (check.metrics.near_copies, lambda a, b, t: (b[:, None] == a).all(2).any(1), "equal is not needed"),
    (check.own_data.unusable_rows, first_letters, "`(text or '').strip()` is empty for all of these."),
    (check.own_data.verdict, lambda a, b: "better" if a.mean() > b.mean() else "worse", "A higher mean is not enough"),
    (check.own_data.verdict, lambda a, b: "cannot tell", "'better' needs low above 0, 'worse' high below 0."),
    (check.dialogue.sameness, lambda o: upper_triangle(o) / (len(o) * (len(o) - 1)), "Sum and count do not fit"),
    (check.dialogue.sameness, lambda o: 2 * upper_triangle(o) / len(o) ** 2, "Sum and count do not fit"),
    (check.dialogue.contrastive_loss, whole_table, "Only the right answer of each row counts"),
    (check.reshaping.is_inverse, not_turned_back, "turn them back before you compare."),
    (check.reshaping.is_inverse, lambda f, u, v: u(f(v[None])) == v, "expected True or False. Use .all()."),
    (check.reshaping.is_inverse, lambda f, u, v: torch.equal(u(f(v[None]))[0], v), "refuses the pca layout"),
    (check.reshaping.is_inverse, lambda f, u, v: torch.allclose(u(f(v[None]))[0], v, atol=1e-6), "that it has seen"),
]


@pytest.mark.parametrize(("exercise", "answer", "diagnosis"), WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(exercise, answer, diagnosis, capsys):
    exercise(answer)
    said = capsys.readouterr().out
    assert said.startswith(f"Exercise {exercise.number}: check ") and diagnosis in said


def no_rim(row, behind, level, ahead, out):
    """The formula of exercise 3.1 to the letter, which reads beyond the last cell."""
    return torch.stack([row[z - 1] + out * (ahead * row[z + 1]).relu() for z in range(len(row))])


@pytest.mark.parametrize(
    ("exercise", "answer", "error", "advice"),
    [
        (check.lattice.tick, no_rim, IndexError, "The last cell has nobody ahead"),
        (
            check.autoencoder.cosine_per_row,
            lambda o, t: (o * t).sum(1) / o.norm(dim=0),
            RuntimeError,
            "If sizes do not",
        ),
        (check.autoencoder.latent_dim, lambda size, bottleneck: 1 // 0, ZeroDivisionError, ""),
        (check.encoding.cosine_matrix, lambda a, b: a / a.norm(dim=1) @ b.T, RuntimeError, "keepdim=True"),
        (
            check.reshaping.fold_channel_major,
            lambda v, r, c, k: v.view(-1, k, r, c).permute(0, 2, 1, 3).view(-1),
            RuntimeError,
            "take .reshape, not .view",
        ),
        (
            check.reshaping.fold_channel_major,
            lambda v, r, c, k: v.view(-1, k, r, c).permute(2, 3, 1),
            RuntimeError,
            "name all four axes",
        ),
        (check.reshaping.inverse_order, lambda order: order[::-1], ValueError, "a tensor has .flip(0) instead"),
        (check.reshaping.is_inverse, lambda f, u, v: torch.allclose(u(f(v)), v), ValueError, "Give it vector[None]"),
    ],
)
def test_an_error_of_the_learner_is_shown_as_it_is_below_a_piece_of_advice(exercise, answer, error, advice, capsys):
    with pytest.raises(error):
        exercise(answer)
    assert advice in capsys.readouterr().out


# --- notebook 04 ------------------------------------------------------------------------------------------------------


def dot(output, target):
    return (output * target).sum(1)


def through(test, directions, mean):
    return (test - mean) @ directions.T @ directions + mean


def right_singular(vectors):
    return torch.linalg.svd(vectors, full_matrices=False).Vh


def weakest_of_svd(train, test, k):
    return through(test, right_singular(train - train.mean(0))[-k:], train.mean(0))


def weakest_of_eigh(train, test, k):
    centered = train - train.mean(0)
    return through(test, torch.linalg.eigh(centered.T @ centered).eigenvectors[:, :k].T, train.mean(0))


def mean_of_all(train, test, k):
    return through(test, right_singular(train - train.mean())[:k], train.mean())


def mean_only_added(train, test, k):
    directions = right_singular(train - train.mean(0))[:k]
    return test @ directions.T @ directions + train.mean(0)


def mean_forgotten(train, test, k):
    directions = right_singular(train - train.mean(0))[:k]
    return test @ directions.T @ directions


def scaled_by_strength(train, test, k):
    mean = train.mean(0)
    _, strength, directions = torch.linalg.svd(train - mean, full_matrices=False)
    return (test - mean) @ directions[:k].T * strength[:k] @ directions[:k] + mean


AUTOENCODER = [
    (check.autoencoder.cosine_per_row, lambda o, t: dot(o, t) / o.norm(dim=1) * t.norm(dim=1), "in parentheses"),
    (check.autoencoder.cosine_per_row, lambda o, t: dot(o, t) / (o.norm(dim=1) + t.norm(dim=1)), "added the lengths"),
    (check.autoencoder.cosine_per_row, lambda o, t: dot(o / o.norm(dim=0), t / t.norm(dim=0)), "lengths of columns"),
    (check.autoencoder.cosine_per_row, lambda o, t: normalize(o) * normalize(t), "The sum over each row is missing"),
    (check.autoencoder.cosine_per_row, lambda o, t: dot(normalize(o), normalize(t))[:, None], "One column too many"),
    (check.autoencoder.cosine_per_row, lambda o, t: 1 - dot(normalize(o), normalize(t)), "That is 1 − cosine"),
    (
        check.autoencoder.latent_dim,
        lambda size, bottleneck: size[0] * size[1] * bottleneck,
        "multiplied depth and rows",
    ),
    (check.autoencoder.pca_reconstruct, weakest_of_svd, "svd sorts downward"),
    (check.autoencoder.pca_reconstruct, weakest_of_eigh, "eigh sorts upward"),
    (check.autoencoder.pca_reconstruct, mean_of_all, "one mean of all numbers"),
    (check.autoencoder.pca_reconstruct, mean_only_added, "never subtracted"),
    (check.autoencoder.pca_reconstruct, mean_forgotten, "without their mean taken out"),
    (check.autoencoder.pca_reconstruct, scaled_by_strength, "leave S out"),
    (check.autoencoder.column_lost, lambda p, planes: 1 - p * planes, "subtracted p once for each plane"),
    (check.autoencoder.column_lost, lambda p, planes: p * planes, "counted twice"),
    (check.autoencoder.column_lost, lambda p, planes: 1 - (1 - p) ** (planes - 1), "left out a cell"),
    (check.autoencoder.column_lost, lambda p, planes: planes * p * (1 - p) ** (planes - 1), "exactly one cell"),
    (check.autoencoder.column_lost, lambda p, planes: p, "the chance for one cell"),
]


@pytest.mark.parametrize(("exercise", "answer", "diagnosis"), AUTOENCODER)
def test_a_wrong_answer_about_the_autoencoder_is_told_what_is_wrong(exercise, answer, diagnosis, capsys):
    exercise(answer)
    assert diagnosis in capsys.readouterr().out


def test_directions_of_the_wrong_shape_are_explained_before_the_error_is_shown(capsys):
    def columns_as_rows(train, test, k):
        directions = right_singular(train - train.mean(0))[:, :k]
        return through(test, directions, train.mean(0))

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        check.autoencoder.pca_reconstruct(columns_as_rows)
    assert "Project with .T, go back without it." in capsys.readouterr().out
