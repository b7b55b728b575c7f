"""Wrong answers to the exercises of notebook 07, and what they are told. The right ones are in test_notebooks.py."""

from __future__ import annotations

import pytest

from cubelib.exercises import own_data
from cubelib.metrics import Interval, bootstrap_mean


def lines(rows, *, start=2, empty=lambda text: not (text or "").strip(), fits=any):
    return [
        line for line, row in enumerate(rows, start=start) if fits(empty(row[side]) for side in ("question", "answer"))
    ]


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda rows: None, "gives None: is there a return at the end?"),
        (lambda rows: len(lines(rows)), "must give a list of whole numbers"),
        (lambda rows: [], "An empty text is false in Python"),
        (lambda rows: lines(rows, start=0), "Count from 2"),
        (lambda rows: lines(rows, start=1), "Count from 2"),
        (lambda rows: lines(rows, fits=lambda sides: not any(sides)), "These are the rows that can be used"),
        (lambda rows: [n for n, row in enumerate(rows, 2) if not row["answer"]], "`or`"),
        (lambda rows: [n for n, row in enumerate(rows, 2) for text in row.values() if not text], "each line once"),
        (lambda rows: lines(rows, empty=lambda text: text == ""), "is empty for all of these"),
        (lambda rows: lines(rows, empty=lambda text: text in ("", " ", None)), "hold a tab and a line break"),
        (lambda rows: lines(rows, empty=lambda text: str(text).strip() in ("", "None")), "they can be used"),
    ],
)
def test_wrong_lines_are_told_what_is_wrong(answer, lesson, capsys):
    own_data.unusable_lines(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 7.1: check ")


def three_ways(interval):
    return "better" if interval.low > 0 else "worse" if interval.high < 0 else "cannot tell"


def by_a_fixed_lead(model, rival, least=0.02):
    lead = (model - rival).mean()
    return "better" if lead > least else "worse" if lead < -least else "cannot tell"


def by_two_intervals(model, rival):
    one, other = bootstrap_mean(model), bootstrap_mean(rival)
    return "better" if one.low > other.high else "worse" if one.high < other.low else "cannot tell"


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda model, rival: None, "gives None: is there a return at the end?"),
        (lambda model, rival: True, "expected one of 'better', 'worse', 'cannot tell'"),
        (lambda model, rival: three_ways(bootstrap_mean(rival - model)), "Subtract the rival from the model"),
        (lambda model, rival: "better" if model.mean() > rival.mean() else "worse", "A higher mean is not enough"),
        (by_two_intervals, "take the interval of the differences"),
        (by_a_fixed_lead, "'better' needs low above 0"),
        (lambda model, rival: "better" if bootstrap_mean(model - rival).low > 0 else "cannot tell", "Expected 'worse'"),
    ],
)
def test_wrong_verdicts_are_told_what_is_wrong(answer, lesson, capsys):
    own_data.verdict(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 7.2: check ")


def test_an_interval_by_the_formula_passes_too(capsys):
    def verdict(model, rival):
        difference = model - rival
        reach = 1.96 * difference.std() / len(difference) ** 0.5
        return three_ways(Interval(0.0, float(difference.mean() - reach), float(difference.mean() + reach)))

    own_data.verdict(verdict)
    assert "all 4 checks passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda pairs, dim: None, "gives None: is there a return at the end?"),
        (lambda pairs, dim: "6 GB", "expected a number"),
        (lambda pairs, dim: pairs * dim * 4 / 1e9, "A pair has two vectors"),
        (lambda pairs, dim: 2 * pairs * dim / 1e9, "each takes 4 bytes"),
        (lambda pairs, dim: pairs * dim / 1e9, "numbers of one side"),
        (lambda pairs, dim: 2 * pairs * dim * 8 / 1e9, "8 bytes a number"),
        (lambda pairs, dim: 2 * pairs * dim * 32 / 1e9, "These are bits"),
        (lambda pairs, dim: 2 * pairs * dim * 4 / 2**30, "These are gibibytes"),
        (lambda pairs, dim: 2 * pairs * dim * 4 / 1e6, "These are megabytes"),
        (lambda pairs, dim: 2 * pairs * dim * 4, "These are bytes"),
        (lambda pairs, dim: 2 * pairs * 768 * 4 / 1e9, "check 2 of 2"),
    ],
)
def test_wrong_sizes_are_told_what_is_wrong(answer, lesson, capsys):
    own_data.gigabytes(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 7.3: check ")
