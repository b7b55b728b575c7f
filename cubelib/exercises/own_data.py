"""Checks for the exercises of notebook 07.

The right answers are computed by cubelib, and the usual wrong ones too, so that the message can name the slip.

Taught in notebook 07.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cubelib.exercises.verdict import Mistake, in_groups, judge
from cubelib.metrics import bootstrap_mean

Row = Mapping[str, Any]
UnusableLines = Callable[[Sequence[Row]], Sequence[int]]
Verdict = Callable[[Tensor, Tensor], str]
Gigabytes = Callable[[int, int], float]

WORDS = ("better", "worse", "cannot tell")


# --- 7.1 -------------------------------------------------------------------------------------------------------------


def unusable_lines(function: UnusableLines) -> None:
    """Exercise 7.1: the lines of a table whose question or answer is empty.

    Args:
        function: `function(rows)`, a list of {"question", "answer"} → line numbers as an editor shows them.

    Example:
        >>> unusable_lines(lambda rows: [place for place, row in enumerate(rows) if not row["answer"]])
        Exercise 7.1: check 1 of 4 does not pass. The second of 3 rows has no answer. It stands on line 3 (line 1 has \
the names of the columns); unusable_lines gives [1]. Count from 2: enumerate(rows, start=2).
    """
    judge("7.1", function, [_line_of_an_empty_answer, _questions_too, _only_spaces, _all_together])


def _pair(question: str | None = "Tea?", answer: str | None = "Yes.") -> dict[str, str | None]:
    return {"question": question, "answer": answer}


def _lines(function: UnusableLines, rows: list[Row]) -> list[int]:
    found = function([dict(row) for row in rows])
    if found is None:
        raise Mistake("unusable_lines gives None: is there a return at the end?")
    if not isinstance(found, (list, tuple)) or not all(type(line) is int for line in found):
        raise Mistake(f"unusable_lines must give a list of whole numbers, such as [3, 7]; got {found!r:.60}.")
    return list(found)


def _line_of_an_empty_answer(function: UnusableLines) -> None:
    found = _lines(function, [_pair(), _pair(answer=""), _pair()])
    if found == [3]:
        return
    hint = "Go through the rows with their line numbers, and keep those without an answer."
    if found in ([1], [2]):
        hint = "Count from 2: enumerate(rows, start=2)."
    elif found == [2, 4]:
        hint = "These are the rows that can be used."
    elif not found:
        hint = "An empty text is false in Python: `not row['answer']`."
    raise Mistake(
        "The second of 3 rows has no answer. It stands on line 3 (line 1 has the names of the columns); "
        f"unusable_lines gives {found}. {hint}"
    )


def _questions_too(function: UnusableLines) -> None:
    found = _lines(function, [_pair(question=""), _pair(question="", answer=""), _pair(answer="")])
    if found == [2, 3, 4]:
        return
    hint = "An empty question is as useless as an empty answer: `or`."
    if found == [3]:
        hint = "One empty side is enough to make a pair useless: `or` instead of `and`."
    elif len(found) != len(set(found)):
        hint = "Name each line once, also where both sides are empty."
    raise Mistake(f"Lines 2, 3 and 4 lack a question, both, and an answer; unusable_lines gives {found}. {hint}")


def _only_spaces(function: UnusableLines) -> None:
    for text, what in ((" ", "a space"), ("\t\n", "a tab and a line break"), (None, "nothing at all (None)")):
        found = _lines(function, [_pair(), _pair(answer=text), _pair(question=text)])
        if found != [3, 4]:
            hint = "`(text or '').strip()` is empty for all of these."
            raise Mistake(f"Lines 3 and 4 hold {what} in place of a text; unusable_lines gives {found}. {hint}")


def _all_together(function: UnusableLines) -> None:
    rows = [_pair(), _pair(" "), _pair("0", "0"), _pair("Tea?", "no"), _pair("nan", "None"), _pair("Tea?", None)]
    found = _lines(function, rows)
    if found != [3, 7]:
        raise Mistake(
            f"Of 6 rows, lines 3 and 7 have an empty side; unusable_lines gives {found}. Texts such as '0', 'no' or "
            "'None' have words in them: they can be used."
        )
    if _lines(function, rows[:1]) or _lines(function, []):
        raise Mistake("Where every row can be used, or there is none, the list is empty: [].")


# --- 7.2 -------------------------------------------------------------------------------------------------------------


def verdict(function: Verdict) -> None:
    """Exercise 7.2: is a model better than a rival on the same items, or can it not be told?

    Args:
        function: `function(model, rival)`, a score for each item, `(n,)` both, higher is better → "better", "worse" or
            "cannot tell".

    Example:
        >>> verdict(lambda model, rival: "better" if model.mean() > rival.mean() else "worse")
        Exercise 7.2: check 2 of 4 does not pass. The model is ahead by 0.01 on average, and item by item the \
difference swings by 0.40: the interval holds zero. Expected 'cannot tell', got 'better'. A higher mean is not enough: \
look at the interval of the differences.
    """
    judge("7.2", function, [_far_apart, _by_luck, _small_but_sure, _same_as_the_library])


def _said(function: Verdict, model: Tensor, rival: Tensor) -> str:
    found = function(model.clone(), rival.clone())
    if found is None:
        raise Mistake("verdict gives None: is there a return at the end? Every branch needs one.")
    if found not in WORDS:
        raise Mistake(f"verdict gives {found!r:.60}, expected one of {', '.join(map(repr, WORDS))}.")
    return found


def _spread(size: int, seed: int) -> Tensor:
    """`size` numbers with mean 0 and deviation 1, to the last digit."""
    values = torch.randn(size, generator=torch.Generator().manual_seed(seed)).double()
    return (values - values.mean()) / values.std()


def _far_apart(function: Verdict) -> None:
    rival = 0.3 + 0.05 * _spread(100, seed=1)
    for model, right in ((rival + 0.3 + 0.02 * _spread(100, seed=2), "better"), (rival - 0.2, "worse")):
        found = _said(function, model, rival)
        if found != right:
            raise Mistake(
                f"The model has {model.mean():.2f} on average and the rival {rival.mean():.2f}, nearly the same "
                f"difference for every item. Expected {right!r}, got {found!r}. Subtract the rival from the model, "
                "not the other way round; higher is better."
            )


def _by_luck(function: Verdict) -> None:
    rival = 0.5 + 0.1 * _spread(100, seed=3)
    for lead, word in ((0.01, "ahead"), (-0.01, "behind")):
        found = _said(function, rival + lead + 0.4 * _spread(100, seed=4), rival)
        if found != "cannot tell":
            raise Mistake(
                f"The model is {word} by 0.01 on average, and item by item the difference swings by 0.40: the interval "
                f"holds zero. Expected 'cannot tell', got {found!r}. A higher mean is not enough: look at the interval "
                "of the differences."
            )


def _small_but_sure(function: Verdict) -> None:
    rival = 0.5 + 0.25 * _spread(200, seed=5)
    for lead, right in ((0.03, "better"), (-0.03, "worse")):
        found = _said(function, rival + lead + 0.02 * _spread(200, seed=6), rival)
        if found != right:
            raise Mistake(
                f"Items are of very different difficulty (0.25), but on nearly every one the model is {abs(lead)} "
                f"{'ahead' if lead > 0 else 'behind'}. Expected {right!r}, got {found!r}. The two intervals overlap, "
                "and that says nothing: take the interval of the differences, item by item."
            )


def _same_as_the_library(function: Verdict) -> None:
    cases = ((0.06, 0.15), (0.0, 0.15), (-0.06, 0.15), (0.012, 0.15), (0.012, 0.02))  # lead, swing
    for seed, (lead, swing) in enumerate(cases, start=7):
        rival = _spread(150, seed).sigmoid()
        model = rival + lead + swing * _spread(150, seed + 10)
        interval = bootstrap_mean(model - rival)
        right = "better" if interval.low > 0 else "worse" if interval.high < 0 else "cannot tell"
        found = _said(function, model, rival)
        if found != right:
            raise Mistake(
                f"The differences have a mean of {interval.mean:.3f} with the 95 % interval {interval.low:.3f} to "
                f"{interval.high:.3f}. Expected {right!r}, got {found!r}. 'better' needs low above 0, 'worse' "
                "high below 0."
            )


# --- 7.3 -------------------------------------------------------------------------------------------------------------


def gigabytes(function: Gigabytes) -> None:
    """Exercise 7.3: what the vectors of question → answer pairs take.

    Args:
        function: `function(pairs, dim)` → gigabytes, 10⁹ bytes each.

    Example:
        >>> gigabytes(lambda pairs, dim: pairs * dim * 4 / 1e9)
        Exercise 7.3: check 1 of 2 does not pass. gigabytes(1000000, 768) gives 3.0720, expected 6.1440. A pair has \
two vectors, one for the question and one for the answer.
    """
    judge("7.3", function, in_groups(_expect_gigabytes, [(1_000_000, 768)], [(2_500, 768), (50_000, 384)]))


def _expect_gigabytes(function: Gigabytes, pairs: int, dim: int) -> None:
    call, found = f"gigabytes({pairs}, {dim})", function(pairs, dim)
    if found is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Mistake(f"{call} gives {found!r:.60}, expected a number.")
    size = 2 * torch.empty(pairs, dim, device="meta").nbytes
    right = size / 1e9
    if math.isclose(found, right, rel_tol=1e-6):
        return
    hint = "Pairs, times two vectors, times numbers a vector, times 4 bytes a number (float32), by 10⁹."
    for what, wrong in {
        "A pair has two vectors, one for the question and one for the answer.": right / 2,
        "These are numbers, and each takes 4 bytes (float32).": right / 4,
        "These are numbers of one side: a pair has two vectors, and each number takes 4 bytes (float32).": right / 8,
        "You counted 8 bytes a number; these are float32, with 32 bits, which are 4 bytes.": right * 2,
        "These are bits. A byte has 8.": right * 8,
        "These are gibibytes, of 2**30 bytes. Divide by 1e9.": size / 2**30,
        "These are megabytes; a gigabyte is 1e9 bytes.": size / 1e6,
        "These are bytes; a gigabyte is 1e9 of them.": size,
    }.items():
        if math.isclose(found, wrong, rel_tol=1e-6):
            hint = what
    raise Mistake(f"{call} gives {found:.4f}, expected {right:.4f}. {hint}")
