"""Exercises of notebook 07."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cubelib.exercises.exercise import Case, Exercise, cases
from cubelib.exercises.verdict import Mistake, numbers
from cubelib.metrics import bootstrap_mean

# --- 7.1 -------------------------------------------------------------------------------------------------------------


def _sorted_rows(value: Any) -> list[int]:
    expected = "expected a list of whole numbers, such as [3, 7]."
    try:
        found = numbers(list(value) if isinstance(value, Iterable) else value)
    except Mistake:
        raise Mistake(expected) from None
    if found.ndim != 1 or (len(found) and found.is_floating_point()):
        raise Mistake(expected)
    return sorted(int(row) for row in found)


def _is_empty(text: str | None) -> bool:
    return not (text or "").strip()


def _unusable(
    rows: Sequence[Mapping[str, str | None]],
    unusable: Callable[[list[bool]], bool] = any,
    start: int = 2,
) -> list[int]:
    found = []
    for number, row in enumerate(rows, start):
        if unusable([_is_empty(row["question"]), _is_empty(row["answer"])]):
            found.append(number)
    return found


def _row_checks() -> list[list[Case]]:
    def rows(says: str, hint: str, *pairs: tuple[str | None, str | None]) -> Case:
        return Case(([{"question": question, "answer": answer} for question, answer in pairs],), says, hint)

    def blank(text: str | None, name: str) -> Case:
        no_text = "`(text or '').strip()` is empty for all of these."
        says = f"Rows 3, 4 and 5 hold {name} in place of a text"
        return rows(says, no_text, good, ("Tea?", text), (text, "Yes."), (text, text))

    good = ("Tea?", "Yes.")
    keep = "Keep the number of each row with an empty side: an empty text is false, `not row['answer']`."
    used = "Texts such as '0', 'no' or 'None' have words in them: they can be used."
    texts = (good, (" ", "Yes."), ("0", "0"), ("Tea?", "no"), ("nan", "None"), ("Tea?", None))
    return [
        [rows("The second of 3 pairs, row 3 of the table, is empty", keep, good, ("", ""), good)],
        [rows("Rows 2, 3 and 4 lack a question, both, and an answer", keep, ("", "Yes."), ("", ""), ("Tea?", ""))],
        [blank(" ", "a space"), blank("\t ", "a tab and a space"), blank(None, "nothing at all (None)")],
        [rows("Of 6 pairs, rows 3 and 7 have an empty side", used, *texts), rows("Every pair can be used", used, good)],
    ]


def _row_slips(rows: Sequence[Mapping[str, str | None]]) -> dict[str, list[int]]:
    twice = [number for number, row in enumerate(rows, 2) for text in row.values() if _is_empty(text)]
    only_answers, both = _unusable(rows, unusable=lambda sides: sides[1]), _unusable(rows, unusable=all)
    return {
        "Row 1 has the names of the columns. Count from 2: enumerate(rows, start=2).": _unusable(rows, start=1),
        "The first pair is row 2, not 0. Count from 2: enumerate(rows, start=2).": _unusable(rows, start=0),
        "These are the rows that can be used.": _unusable(rows, unusable=lambda sides: not any(sides)),
        "One empty side is enough to make a pair useless: `or` instead of `and`.": both,
        "An empty question is as useless as an empty answer: `or`.": only_answers,
        "Name each row once, also where both sides are empty.": twice,
    }


unusable_rows = Exercise(
    "7.1",
    "unusable_rows(rows) → the numbers of the rows whose question or answer is empty; row 1 has the column names",
    returns=_sorted_rows,
    right=_unusable,
    checks=_row_checks,
    slips=_row_slips,
)


# --- 7.2 -------------------------------------------------------------------------------------------------------------

WORDS = ("better", "worse", "cannot tell")


def _word(value: Any) -> str:
    if not isinstance(value, str) or value not in WORDS:
        raise Mistake(f"expected one of {', '.join(map(repr, WORDS))}.")
    return value


def _verdict(model: Tensor, rival: Tensor) -> str:
    interval = bootstrap_mean(model - rival)
    if interval.low > 0:
        return "better"
    return "worse" if interval.high < 0 else "cannot tell"


def _spread(size: int, seed: int) -> Tensor:
    """`size` numbers with mean 0 and deviation 1, to the last digit."""
    values = torch.randn(size, generator=torch.Generator().manual_seed(seed)).double()
    return (values - values.mean()) / values.std()


def _verdict_checks() -> list[list[Case]]:
    far, lucky, hard = 0.3 + 0.05 * _spread(100, seed=1), 0.5 + 0.1 * _spread(100, seed=3), 0.25 * _spread(200, seed=5)
    luck, noise = 0.4 * _spread(100, seed=4), 0.02 * _spread(200, seed=6)
    mean = "A higher mean is not enough: look at the interval of the differences."
    overlap = "The two intervals overlap, and that says nothing: take the interval of the differences, item by item."
    swings = "Single differences swing by 0.4 about {}: the interval includes zero"
    differ = "Items differ in difficulty by 0.25, and on each the model's lead is close to {}"
    random = []
    for seed, (lead, swing) in enumerate([(0.06, 0.15), (0.0, 0.15), (-0.06, 0.15), (0.012, 0.15), (0.012, 0.02)], 7):
        rival = _spread(150, seed).sigmoid()
        model = rival + lead + swing * _spread(150, seed + 10)
        random.append(Case((model, rival), f"A mean difference of {lead}, and single ones that swing by {swing}"))
    return [
        [
            Case((far + 0.3, far), "The model is 0.3 above the rival on each item"),
            Case((far - 0.2, far), "The model is 0.2 below the rival on each item"),
        ],
        [Case((lucky + lead + luck, lucky), swings.format(lead), mean) for lead in (0.01, -0.01)],
        [Case((hard + lead + noise, hard), differ.format(lead), overlap) for lead in (0.03, -0.03)],
        random,
    ]


verdict = Exercise(
    "7.2",
    "verdict(model, rival) → 'better', 'worse' or 'cannot tell', from a score of both for each item, (n,) and (n,)",
    returns=_word,
    right=_verdict,
    checks=_verdict_checks,
    slips=lambda model, rival: {
        "Subtract the rival from the model, not the other way round; higher is better.": _verdict(rival, model)
    },
    hint="'better' needs low above 0, 'worse' high below 0.",
)


# --- 7.3 -------------------------------------------------------------------------------------------------------------

gigabytes = Exercise(
    "7.3",
    "gigabytes(pairs, dim) → what the vectors of question → answer pairs take in float32, in 10⁹ bytes",
    right=lambda pairs, dim: 2 * pairs * dim * 4 / 1e9,
    checks=lambda: [cases((1_000_000, 768)), cases((2_500, 768), (50_000, 384))],
    slips=lambda pairs, dim: {
        "A pair has two vectors, one for the question and one for the answer.": pairs * dim * 4 / 1e9,
        "These are numbers, and each takes 4 bytes (float32).": 2 * pairs * dim / 1e9,
        "These are numbers of one side: a pair has two vectors, each number 4 bytes (float32).": pairs * dim / 1e9,
        "You counted 8 bytes a number; these are float32, with 32 bits: 4 bytes.": 2 * pairs * dim * 8 / 1e9,
        "These are bits. A byte has 8.": 2 * pairs * dim * 32 / 1e9,
        "These are gibibytes, of 2**30 bytes. Divide by 1e9.": 2 * pairs * dim * 4 / 2**30,
        "These are megabytes; a gigabyte is 1e9 bytes.": 2 * pairs * dim * 4 / 1e6,
        "These are bytes; a gigabyte is 1e9 of them.": 2 * pairs * dim * 4,
    },
    hint="Pairs, times two vectors, times numbers a vector, times 4 bytes a number (float32), by 10⁹.",
)
