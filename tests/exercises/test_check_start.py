"""Wrong answers to the exercises of notebook 00, and what they are told. The right ones are in test_notebooks.py."""

from __future__ import annotations

import pytest

from cubelib.exercises import start


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda tick, depth: None, "gives None"),
        (lambda tick, depth: float(tick), "expected a whole number"),
        (lambda tick, depth: tick, "There are planes 0 to 7"),
        (lambda tick, depth: tick + 1, "Planes are counted from 0"),
        (lambda tick, depth: tick % depth, "From front to back the lattice is no ring"),
        (lambda tick, depth: min(tick, 7), "Use depth: this lattice has 5 planes"),
        (lambda tick, depth: depth - 1, "That is the back face"),
        (lambda tick, depth: min(tick, depth), "There are planes 0 to 7"),
        (lambda tick, depth: 0, "One plane a tick"),
    ],
)
def test_wrong_planes_are_told_what_is_wrong(answer, lesson, capsys):
    start.plane_at_tick(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 0.1: check ")


def blocked(dead):
    return {(row, column) for _, row, column in dead}


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda dead: None, "gives None"),
        (lambda dead: 768.0, "expected a whole number"),
        (lambda dead: 768, "what reaches a dead cell is gone"),
        (lambda dead: 768 - 12 * len(dead), "count them once"),
        (lambda dead: 768 - 12 * len(set(dead)), "count them once"),
        (lambda dead: 768 - 12 * len({row for _, row, _ in dead}), "none of the 12 numbers"),
        (lambda dead: 12 * len(blocked(dead)), "These are the numbers that are lost"),
        (lambda dead: 64 - len(blocked(dead)), "each of them carries 12 numbers"),
        (lambda dead: 768 - len(dead), "Each cell carries 12 numbers, not one"),
        (lambda dead: 0 if dead else 768, "the other rows and columns pass"),
        (lambda dead: 12 * (512 - len(dead)), "Only the 64 cells of the front face"),
    ],
)
def test_wrong_counts_of_numbers_that_arrive_are_told_what_is_wrong(answer, lesson, capsys):
    start.numbers_that_arrive(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 0.2: check ")


def test_the_learner_may_change_the_list(capsys):
    def take_out(dead_cells):
        found = set()
        while dead_cells:
            found.add(dead_cells.pop()[1:])
        return 768 - 12 * len(found)

    start.numbers_that_arrive(take_out)
    assert "all 4 checks passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda k, answers: None, "gives None"),
        (lambda k, answers: "a little", "expected a number"),
        (lambda k, answers: 1 / answers, "You draw k answers, not one"),
        (lambda k, answers: 100 * min(1, k / answers), "This is in percent"),
        (lambda k, answers: answers / k, "the other way round"),
        (lambda k, answers: k / answers, "No share is above 1"),
        (lambda k, answers: 1 - (1 - 1 / answers) ** k, "You draw k different ones"),
        (lambda k, answers: min(1, k / (answers - 1)), "divide by answers, not by the others only"),
        (lambda k, answers: 0.5, "the right answer has one"),
    ],
)
def test_wrong_chances_are_told_what_is_wrong(answer, lesson, capsys):
    start.by_chance(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 0.3: check ")
