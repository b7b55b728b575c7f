"""Exercises of notebook 05."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from cubelib.exercises.exercise import Case, Exercise, cases, cosines_of, random_vectors, tie_slips
from cubelib.metrics.retrieval import Retrieval

# --- 5.1 -------------------------------------------------------------------------------------------------------------


def _places(table: Tensor) -> tuple[Tensor, Tensor]:
    """How many answers are closer than the right one, on the diagonal; how many tie with it, itself included."""
    right = table.diagonal()[:, None]
    return (table > right).sum(1), (table == right).sum(1)


def _reciprocal_ranks(table: Tensor) -> Tensor:
    """1 / rank of the right answer of each question, which is on the diagonal; the mean over the places of a tie."""
    closer, tied = _places(table)
    question = torch.arange(len(table))
    return Retrieval(question, closer, tied, torch.ones_like(tied), len(table)).reciprocal_rank


def _rank_checks() -> list[list[Case]]:
    places = torch.tensor([[0.8, 0.6, 0.0], [0.7, 0.5, 0.1], [0.9, 0.65, 0.05]])
    tie = "For an answer that is as close as the right one, at places 1 and 2"
    return [
        [Case((random_vectors(4, 5, seed=1), random_vectors(4, 5, seed=2)), only_shape=True)],
        [Case((places, torch.eye(3)), "For right answers at places 1, 2 and 3")],
        cases((random_vectors(40, 6, seed=3), random_vectors(40, 6, seed=4))),
        [
            Case((torch.tensor([[1.0, 1.0, 0.0]] * 3), torch.eye(3)), tie),
            Case(
                (torch.zeros(3, 4), torch.eye(4)[:3]), "A model that says nothing has a cosine of 0 with all 3 answers"
            ),
        ],
    ]


def _rank_slips(output: Tensor, answers: Tensor) -> dict[str, Tensor]:
    cosines = cosines_of(output, answers)
    closer, tied = _places(cosines)
    right = _reciprocal_ranks(cosines)
    column = "You ask which output is closest to the answer. A row of the table belongs to a question: use dim=1."
    zeros = "You divide by the length of zeros. torch.nn.functional.normalize leaves zeros as they are."
    dots = "You compare dot products, so long answers win. Compare cosines: give all answers length 1."
    return {
        "These are the ranks. Return one divided by each.": closer + 1,
        "The mean comes later: give one number for each output.": right.mean().expand(len(output)),
        column: _reciprocal_ranks(cosines.T),
        "You count from the wrong end: the best answer has the *largest* cosine.": _reciprocal_ranks(-cosines),
        "A rank counts from 1: the number of closer answers, plus one.": 1 / closer,
        dots: _reciprocal_ranks(output @ answers.T),
        zeros: right.where(output.norm(dim=1) > 0, torch.nan),
        **tie_slips(closer, tied),
        "Sorting breaks ties by luck. Count the closer answers and the tied ones, then average over the tied places.": (
            1 / (cosines.argsort(1, descending=True).argsort(1).diagonal() + 1)
        ),
        "`diagonal()` has the shape (n,) and is compared with the columns. Write `diagonal()[:, None]`.": (
            1 / (cosines >= cosines.diagonal()).sum(1)
        ),
    }


reciprocal_rank = Exercise(
    "5.1",
    "reciprocal_rank(output, answers) → one over the rank of answer i for output i; both (n, dim) → (n,)",
    right=lambda output, answers: _reciprocal_ranks(cosines_of(output, answers)),
    checks=_rank_checks,
    slips=_rank_slips,
    hint="For each output count the answers closer than its own, and those as close, itself included. If c are closer "
    "and t as close, average 1/place over the places c + 1 to c + t.",
)


# --- 5.2 -------------------------------------------------------------------------------------------------------------


def _mean_of_others(table: Tensor) -> Tensor:
    return table[~torch.eye(len(table), dtype=torch.bool)].mean()


def _sameness_checks() -> list[list[Case]]:
    return [
        [Case((random_vectors(4, 5, seed=1),), only_shape=True)],
        [Case((torch.eye(3),), "Three outputs at right angles to each other")],
        [Case((torch.tensor([[1.0, 2.0], [-1.0, -2.0]]),), "Two opposite outputs")],
        cases((random_vectors(12, 6, seed=5) + 0.5,)),
    ]


def _sameness_slips(output: Tensor) -> dict[str, Tensor]:
    cosines, dots, pairs = cosines_of(output, output), output @ output.T, len(output) * (len(output) - 1)
    to_mean = cosines_of(output, output.mean(0)[None]).mean()
    half = "Sum and count do not fit: n outputs make n · (n − 1) pairs, or half as many if you count each pair once."
    with_own = "You divide by the pairs but also count each output with itself: subtract the diagonal first."
    return {
        "That is a table of all pairs. Take its mean, without the diagonal.": cosines,
        "Each output meets itself too, with a cosine of 1: leave the diagonal out.": cosines.mean(),
        with_own: cosines.sum() / pairs,
        half: _mean_of_others(cosines) / 2,
        "This is the dot product: give the outputs length 1 first.": _mean_of_others(dots),
        "Keep the sign: opposite outputs are not the same.": _mean_of_others(cosines.abs()),
        "You compare each output only with the next one. Take all pairs.": cosines.diagonal(1).mean(),
        "This is the cosine with the mean output. Take the outputs two by two.": to_mean,
    }


sameness = Exercise(
    "5.2",
    "sameness(output) → the mean cosine over all pairs of different outputs (n, dim), −1 … 1",
    right=lambda output: _mean_of_others(cosines_of(output, output)),
    checks=_sameness_checks,
    slips=_sameness_slips,
    hint="Is every pair of different outputs in the mean, and nothing else?",
)


# --- 5.3 -------------------------------------------------------------------------------------------------------------


def _entropy(logits: Tensor) -> Tensor:
    return cross_entropy(logits, torch.arange(len(logits)))


def _loss_checks() -> list[list[Case]]:
    output, target = random_vectors(6, 8, seed=6), random_vectors(6, 8, seed=7)
    perfect = "For three questions answered perfectly, at right angles, the loss is ln(1 + 2/e)"
    return [
        [Case((random_vectors(4, 5, seed=1), random_vectors(4, 5, seed=2), 0.5), only_shape=True)],
        [Case((torch.eye(3), torch.eye(3), 1.0), perfect)],
        [Case((normalize(output), normalize(target), 0.2))],
        [Case((random_vectors(16, 8, seed=8), random_vectors(16, 8, seed=9), 0.05), "Rows of different lengths")],
    ]


def _loss_slips(output: Tensor, target: Tensor, temperature: float) -> dict[str, Tensor]:
    cosines, own = cosines_of(output, target), torch.eye(len(output), dtype=torch.bool)
    logits = cosines / temperature
    loss, turned, shares = _entropy(logits), _entropy(logits.T), logits.softmax(1).diagonal()
    wrong = logits.masked_fill(own, -torch.inf).logsumexp(1)
    multiplied = "You multiply by the temperature. Divide: a small temperature makes differences large."
    side = "You take the share along the wrong side: each *output* chooses among the answers, along dim=1."
    both = "You average both directions. Here only outputs choose among answers: leave the second loss out."
    below = "The right answer is missing below the line: the share is of *all* answers, the right one among them."
    whole = "You average the whole table. Only the right answer of each row counts: .diagonal()."
    dots = "These are dot products: give outputs and answers length 1 first."
    return {
        "The loss of the batch is the mean over its rows.": -shares.log(),
        "The sign is wrong: the loss is minus the logarithm of a share, so it is never below 0.": -loss,
        multiplied: _entropy(cosines * temperature),
        "The temperature does nothing: divide the cosines by it.": _entropy(cosines),
        "You add the rows up. Take their mean, or a larger batch has a larger loss.": len(output) * loss,
        side: turned,
        both: (loss + turned) / 2,
        "You add both directions. Here only outputs choose among answers: leave the second loss out.": loss + turned,
        dots: _entropy(output @ target.T / temperature),
        below: (wrong - logits.diagonal()).mean(),
        "Compare each output with all answers of the batch, not only its own.": 1 - cosines.diagonal().mean(),
        whole: -logits.log_softmax(1).mean(),
        "The logarithm is missing: this is minus the share itself.": -shares.mean(),
        "Take the logarithm of each row's share first, then the mean over rows.": -shares.mean().log(),
    }


contrastive_loss = Exercise(
    "5.3",
    "contrastive_loss(output, target, temperature) → the loss of a batch in which all answers differ",
    right=lambda output, target, temperature: _entropy(cosines_of(output, target) / temperature),
    checks=_loss_checks,
    slips=_loss_slips,
    hint="Cosines of all pairs, divided by the temperature; each row: minus the log of the right share; the mean.",
)


# --- 5.4 -------------------------------------------------------------------------------------------------------------


def _wrong(target: Tensor) -> Tensor:
    return cosines_of(target, target) < 0.9999


def _copy_checks() -> list[list[Case]]:
    equal = random_vectors(4, 16, seed=10)
    equal[2] = equal[0]
    longer = equal.clone()
    longer[2] = 2 * equal[0]  # twice is exact: only numbers compared one by one differ here
    rounded = normalize(random_vectors(4, 768, seed=11))
    rounded[2] = normalize(rounded[0] + 1e-6, dim=0)  # the same text, encoded in another batch
    close = torch.eye(3, 8)
    close[1] = normalize(close[0] + 0.3 * close[1], dim=0)  # cosine 0.958 with answer 0
    decimals = "Rounding makes a cosine of 1 a little more or less, so ==, != and < 1 fail: a copy begins at 0.9999."
    close_ones = "The close ones teach most: leave out only copies, from a cosine of 0.9999 on."
    same_text = "Answers 0 and 2 are the same text, so answer 2 is right for question 0 as well"
    return [
        [Case((random_vectors(4, 5, seed=1),), only_shape=True)],
        [
            Case((torch.eye(4),), "Four answers at right angles", "All others are wrong; yours leaves some out."),
            Case((random_vectors(64, 768, seed=12),), "Each answer is right for its own question", decimals),
        ],
        [
            Case((equal,), same_text, "Leave out every answer whose cosine with the right one is 1."),
            Case((longer,), "Answer 2 is answer 0, twice as long, so a copy", "Compare cosines, not numbers."),
            Case((rounded,), "Answer 2 is answer 0 but for rounding, with a cosine of 1.0000", decimals),
        ],
        [Case((close,), "Answers 0 and 1 have a cosine of 0.96: close, but not the same", close_ones)],
    ]


def _copy_slips(target: Tensor) -> dict[str, Tensor]:
    wrong, dots = _wrong(target), target @ target.T
    one = torch.isclose(dots, torch.ones(()), rtol=0, atol=1e-4)
    return {
        "This is the table of the *right* answers. Turn it round with ~ or with < in place of >.": ~wrong,
        "A question's own answer is not wrong: the diagonal must be False.": torch.ones_like(wrong),
        "These are dot products, large for long answers and small for short ones. Use cosines.": dots < 0.9999,
        "You look for dot products of 1, which only answers of length 1 have with themselves. Use cosines.": ~one,
    }


wrong_answers = Exercise(
    "5.4",
    "wrong_answers(target) → (batch, batch) of bool, True where answer j is wrong for question i, and no copy",
    right=_wrong,
    checks=_copy_checks,
    slips=_copy_slips,
    hint="Row i belongs to question i, column j to answer j.",
)
