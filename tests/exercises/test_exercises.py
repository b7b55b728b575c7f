"""All exercises alike: the right answer passes, a known slip is named, and the right answers are the library's."""

from __future__ import annotations

import re
from itertools import pairwise, product
from pathlib import Path

import nbformat
import pytest
import torch

from cubelib import CubicCore, EmbeddingReshaper, check
from cubelib.evaluation.baselines import PCA
from cubelib.exercises.exercise import Exercise, cosines_of, random_vectors
from cubelib.metrics import EmbeddingMetrics
from cubelib.training.losses import contrastive

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
CHAPTERS = [getattr(check, name) for name in check.__all__]
EXERCISES = {
    exercise.number: exercise
    for chapter in CHAPTERS
    for exercise in vars(chapter).values()
    if isinstance(exercise, Exercise)
}
PYTHONS_OWN = ("The size of tensor", "view size", "mat1 and mat2", "'NoneType' object")


def cases(exercise):
    return [case for group in exercise.checks() for case in group]


def slips():
    """Each exercise's number with each of its diagnoses."""
    for number, exercise in EXERCISES.items():
        for diagnosis in dict.fromkeys(text for case in cases(exercise) for text in exercise.slips(*case.inputs)):
            yield number, diagnosis


def make_slip(exercise, diagnosis):
    """A function that makes this slip wherever it can be made."""
    return lambda *inputs: exercise.slips(*inputs).get(diagnosis, exercise.right(*inputs))


def verdict(number, answer, capsys):
    EXERCISES[number](answer)
    return capsys.readouterr().out.removesuffix("\n")


def test_there_are_31_exercises():
    assert len(EXERCISES) == 31


@pytest.mark.parametrize("number", EXERCISES)
def test_the_right_answer_passes(number, capsys):
    def learners(*inputs):
        return EXERCISES[number].right(*inputs)

    assert re.fullmatch(rf"Exercise {number}: all \d checks passed\.", verdict(number, learners, capsys))


def test_a_notebook_goes_on_with_the_learner_s_function_once_it_passes_and_with_ours_until_then(capsys):
    exercise = EXERCISES["0.1"]

    def solved(tick, depth):
        return min(tick, depth - 1)

    def unsolved(tick, depth):
        raise NotImplementedError("Exercise 0.1")

    assert exercise(solved).__wrapped__ is solved
    cosines = EXERCISES["4.1"](lambda output, target: EXERCISES["4.1"].right(output, target).tolist())
    assert torch.equal(cosines(torch.eye(2), torch.eye(2)), torch.ones(2))  # a list passes
    assert exercise(unsolved) is exercise(lambda tick, depth: tick) is exercise.right
    capsys.readouterr()
    ours = exercise(exercise.right)  # the check's cell once more: what it was given is not the learner's
    assert ours is exercise.right
    assert capsys.readouterr().out.startswith("Exercise 0.1: not solved yet. Run the cell with your function")


@pytest.mark.parametrize("number", EXERCISES)
def test_an_answer_that_is_not_written_yet_or_returns_nothing(number, capsys):
    def stub(*inputs):
        raise NotImplementedError

    assert verdict(number, stub, capsys) == f"Exercise {number}: not solved yet."
    assert verdict(number, lambda *inputs: None, capsys).endswith(" gives None: is there a return at the end?")


@pytest.mark.parametrize("number", EXERCISES)
def test_something_that_is_no_answer_at_all(number, capsys):
    assert re.search(r" gives 'what\?', (expected|in which) ", verdict(number, lambda *inputs: "what?", capsys))


@pytest.mark.parametrize(("number", "diagnosis"), list(slips()))
def test_a_known_slip_is_named(number, diagnosis, capsys):
    said = verdict(number, make_slip(EXERCISES[number], diagnosis), capsys)
    assert said.startswith(f"Exercise {number}: check ") and said.endswith(f" {diagnosis}")


def test_what_the_notebooks_quote_is_said(capsys):
    said = [verdict(number, make_slip(EXERCISES[number], diagnosis), capsys) for number, diagnosis in slips()]
    said += [verdict(number, lambda *inputs: None, capsys) for number in EXERCISES]
    said += [text for exercise in EXERCISES.values() for case in cases(exercise) for text in (case.says, case.hint)]
    said += [exercise.hint for exercise in EXERCISES.values()]
    said += [advice for exercise in EXERCISES.values() for advice in exercise.errors.values()]
    cells = [cell.source for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    summaries = re.findall(r"<summary>I get (.*?)</summary>", "\n".join(cells))
    quotes = [quote.removesuffix(" …") for summary in summaries for quote in re.findall(r'"(.*?)"', summary)]
    assert len(quotes) > 40
    assert [quote for quote in quotes if not quote.startswith(PYTHONS_OWN) and quote not in "\n".join(said)] == []


# --- the right answers are the library's -----------------------------------------------------------------------------


def test_a_sentence_crosses_as_exercise_0_1_says():
    for depth in (3, 8):
        core = CubicCore((depth, 1, 1), 1, state_channels=1, hidden=1, steps=depth + 2)
        states = core(torch.ones(1, 1, 1, 1), return_states=True)[1].flatten(1)  # (1, ticks + 1, depth)
        planes = [check.start.plane_at_tick.right(tick, depth) for tick in range(depth + 3)]
        assert states.view(depth + 3, depth).argmax(1).tolist() == planes


def test_numbers_arrive_as_exercise_0_2_says():
    for case in cases(check.start.numbers_that_arrive):
        damage = torch.zeros(8, 8, 8, dtype=torch.bool)
        for cell in case.inputs[0]:
            damage[cell] = True
        arrived = CubicCore((8, 8, 8), 12)(torch.ones(1, 8, 8, 12), damage=damage) != 0
        assert int(arrived.sum()) == check.start.numbers_that_arrive.right(*case.inputs)


def test_a_row_ticks_as_exercise_3_1_says():
    options = {"rule": "shared", "linear_path": False, "neighborhood": "von_neumann", "steps": 6}
    core = CubicCore((4, 1, 1), 1, state_channels=1, hidden=1, **options)
    weights = (1.0, -1.0, 0.5, 0.5)
    with torch.no_grad():
        for parameters, weight in zip(
            (core.rule.behind, core.rule.level, core.rule.ahead, core.rule.out), weights, strict=True
        ):
            parameters[0].fill_(weight)
        states = core(torch.full((1, 1, 1, 1), 4.0), return_states=True)[1].view(7, 4)
    for before, after in pairwise(states):
        torch.testing.assert_close(check.lattice.tick.right(before, *weights), after)


@pytest.mark.parametrize("rule", ["shared", "local", "genome"])
def test_rules_have_as_many_parameters_as_exercise_3_5_says(rule):
    for depth, side, neighborhood, seen in ((8, 8, "moore", 9), (4, 5, "von_neumann", 1)):
        options = {"rule": rule, "boundary": "periodic", "neighborhood": neighborhood}
        core = CubicCore((depth, side, side), 3, state_channels=3, hidden=7, **options)
        assert core.parameter_count == check.lattice.parameters.right(rule, (depth - 1) * side * side, seen, 3, 7)


def test_a_cone_grows_as_exercises_3_3_and_3_4_say():
    for neighborhood, ticks in product(("moore", "von_neumann"), (1, 3)):
        neighbors = check.lattice.neighbors.right
        steps = {"moore": 3, "von_neumann": 1}[neighborhood]
        knowing = {(0, 1, 4)}
        for _ in range(ticks):
            for cell in tuple(knowing):
                near = neighbors(cell, (4, 5, 9), "zero")
                knowing |= {one for one in near if sum(abs(a - b) for a, b in zip(one, cell, strict=True)) <= steps}
        assert sorted(knowing) == check.lattice.cells_that_know.right(ticks, (1, 4), (4, 5, 9), neighborhood)
        back = {cell[1:] for cell in knowing if cell[0] == 1}
        in_time = {
            cell
            for cell in product(range(5), range(9))
            if check.lattice.ticks_until_known.right((1, 4), cell, 2, neighborhood) <= ticks
        }
        assert back == in_time


def test_vectors_are_folded_and_rebuilt_as_in_the_library():
    vectors = random_vectors(3, 24, seed=1)
    reshaper = EmbeddingReshaper(24, (2, 3, 4), layout="channel_major")
    assert torch.equal(check.reshaping.fold_channel_major.right(vectors, 2, 3, 4), reshaper.fold(vectors))
    train, test = random_vectors(40, 6, seed=2), random_vectors(10, 6, seed=3)
    rebuilt = check.autoencoder.pca_reconstruct.right(train, test, 2)
    torch.testing.assert_close(rebuilt, PCA(2).fit(train, train).predict(test), rtol=1e-4, atol=1e-4)


def test_ranks_and_losses_are_those_of_the_library(capsys):
    output, answers = random_vectors(40, 6, seed=4), random_vectors(40, 6, seed=5)
    output[:3] = 0  # says nothing: all 40 answers tie
    answers[5:9] = torch.eye(6)[:4]
    output[5:9] = torch.ones(6)  # between four answers
    found = EmbeddingMetrics.retrieval(output, answers, torch.arange(40)).reciprocal_rank
    torch.testing.assert_close(check.dialogue.reciprocal_rank.right(output, answers), found)
    assert EmbeddingMetrics.calculate_mrr(output, answers) == found.mean().item()
    relevant = torch.rand(40, 40, generator=torch.Generator().manual_seed(6)) < 0.1
    relevant |= torch.eye(40, dtype=torch.bool)
    found = EmbeddingMetrics.retrieval(output, answers, relevant).reciprocal_rank
    torch.testing.assert_close(check.metrics.reciprocal_rank.right(cosines_of(output, answers), relevant), found)
    assert verdict("5.3", contrastive, capsys) == "Exercise 5.3: all 4 checks passed."
