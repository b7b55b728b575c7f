"""Checks for the exercises of notebook 05.

The right answers are computed by cubelib, and the usual wrong ones too, so that the message can name the slip.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from cubelib.exercises.verdict import Mistake, expect_tensor, judge
from cubelib.metrics import retrieval_ranks
from cubelib.training import losses

ReciprocalRank = Callable[[Tensor, Tensor], Tensor]
Sameness = Callable[[Tensor], Any]
ContrastiveLoss = Callable[[Tensor, Tensor, float], Any]
WrongAnswers = Callable[[Tensor], Tensor]


def _vectors(rows: int, columns: int, seed: int) -> Tensor:
    """(rows, columns) random numbers, each row of another length."""
    generator = torch.Generator().manual_seed(seed)
    lengths = 0.5 + 3 * torch.rand(rows, 1, generator=generator)
    return lengths * normalize(torch.randn(rows, columns, generator=generator))


def _cosines(left: Tensor, right: Tensor) -> Tensor:
    return normalize(left) @ normalize(right).T


def _expect_number(value: Any, call: str, hint: str) -> float:
    """The value if it is one finite number, in Python or in a tensor."""
    if value is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise Mistake(f"{call} has shape {tuple(value.shape)}, expected one number. {hint}")
    if isinstance(value, bool) or not isinstance(value, (Tensor, int, float)):
        raise Mistake(f"{call} gives a {type(value).__name__}, expected one number. {hint}")
    number = float(value)
    if number != number or abs(number) == float("inf"):
        raise Mistake(f"{call} gives {number}. Is something divided by zero, or the logarithm of zero taken?")
    return number


def _slip(found: Tensor | float, wrong: Mapping[str, Tensor | float], hint: str) -> str:
    """What to say about a wrong result: the slip that gives it, or the hint."""
    for says, value in wrong.items():
        if torch.allclose(torch.as_tensor(found).double(), torch.as_tensor(value).double(), rtol=1e-4, atol=1e-4):
            return says
    return hint


# --- 5.1 -------------------------------------------------------------------------------------------------------------


def reciprocal_rank(function: ReciprocalRank) -> None:
    """Exercise 5.1: one over the place of the right answer, for each output.

    Args:
        function: `function(output, answers)`, both `(n, dim)`, row i of answers right for row i of output → `(n,)`.

    Example:
        >>> reciprocal_rank(lambda output, answers: (output @ answers.T).diagonal())
        Exercise 5.1: check 2 of 4 does not pass. For three answers at places 1, 2 and 3 the reciprocal ranks are 1, \
1/2 and 1/3; reciprocal_rank gives [0.8, 0.6, 0.0]. Count the answers that are at least as close as the right one.
    """
    judge("5.1", function, [_a_rank_for_each, _known_places, _lengths_make_no_rank, _silence_finds_nothing])


def _a_rank_for_each(function: ReciprocalRank) -> None:
    found = function(_vectors(4, 5, seed=1), _vectors(4, 5, seed=2))
    if isinstance(found, Tensor) and torch.isinf(found).any():
        raise Mistake(
            "reciprocal_rank gives infinity: a rank of 0. Ranks count from 1. And read the right answer's own cosine "
            "from the table of cosines, or rounding makes it a little larger than itself."
        )
    expect_tensor(found, (4,), "reciprocal_rank of two (4, 5) matrices", "One number for each output.")


def _known_places(function: ReciprocalRank) -> None:
    output = torch.tensor([[0.8, 0.6, 0.0], [0.8, 0.6, 0.1], [0.8, 0.6, 0.0]])
    answers = torch.eye(3)
    found = function(output, answers)
    ranks = torch.tensor([1.0, 2.0, 3.0])
    wrong = {
        "These are the ranks. Return one divided by each.": ranks,
        "The mean comes later: give one number for each output.": (1 / ranks).mean().expand(3),
        "You count from the wrong end: the best answer is the one with the *largest* cosine.": 1 / (4 - ranks),
        "You ask which output is closest to the answer. A row of the table belongs to a question: count along dim=1.": (
            1 / _ranks_by_column(output, answers)
        ),
        "A rank counts from 1: the number of closer answers, plus one.": 1 / (ranks - 1),
    }
    if not torch.allclose(found.float(), 1 / ranks):
        hint = _slip(found, wrong, "Count the answers that are at least as close as the right one.")
        raise Mistake(
            "For three answers at places 1, 2 and 3 the reciprocal ranks are 1, 1/2 and 1/3; reciprocal_rank gives "
            f"{[round(value, 2) for value in found.tolist()]}. {hint}"
        )


def _ranks_by_column(output: Tensor, answers: Tensor) -> Tensor:
    cosines = _cosines(output, answers)
    return (cosines >= cosines.diagonal()[None, :]).sum(0)


def _lengths_make_no_rank(function: ReciprocalRank) -> None:
    output, answers = _vectors(40, 6, seed=3), _vectors(40, 6, seed=4)
    found, right = function(output, answers), 1 / retrieval_ranks(output, answers, torch.arange(40)).float()
    products = output @ answers.T
    wrong = {
        "You compare dot products, so long answers win. Compare cosines: give all answers length 1.": (
            1 / (products >= products.diagonal()[:, None]).sum(1).float()
        ),
        "You ask which output is closest to the answer. A row of the table belongs to a question: count along dim=1.": (
            1 / _ranks_by_column(output, answers).float()
        ),
    }
    if not torch.allclose(found.float(), right):
        row = int((found.float() - right).abs().argmax())
        raise Mistake(
            f"On 40 random outputs, row {row} has the right answer at place {1 / right[row]:.0f}; reciprocal_rank says "
            f"{1 / found[row]:.0f}. {_slip(found, wrong, 'Does every row compare with its own right answer?')}"
        )


def _silence_finds_nothing(function: ReciprocalRank) -> None:
    found = function(torch.zeros(3, 4), torch.eye(4)[:3])
    if not torch.isfinite(found).all():
        raise Mistake(
            "An output of zeros gives NaN or infinity: you divide by its length. torch.nn.functional.normalize leaves "
            "zeros as they are."
        )
    if not torch.allclose(found.float(), torch.full((3,), 1 / 3)):
        raise Mistake(
            f"A model that says nothing (zeros) has a cosine of 0 with all 3 answers, and gets {found.tolist()[0]:.4f} "
            "from you, expected 1/3. A tie must count against the model, or silence wins: count answers that are at "
            "least as close (>=), the right one among them."
        )


# --- 5.2 -------------------------------------------------------------------------------------------------------------


def sameness(function: Sameness) -> None:
    """Exercise 5.2: the mean cosine of an output with the other outputs.

    Args:
        function: `function(output)`, `(n, dim)` → a number, −1 … 1.

    Example:
        >>> sameness(lambda output: (output @ output.T).mean())
        Exercise 5.2: check 2 of 4 does not pass. Three outputs at right angles to each other have a sameness of 0; \
sameness gives 0.3333. Each output meets itself too, with a cosine of 1: leave the diagonal out.
    """
    judge("5.2", function, [_one_sameness, _right_angles, _opposites, _same_as_by_hand])


def _one_sameness(function: Sameness) -> None:
    call = "sameness of a (4, 5) matrix"
    _expect_number(function(_vectors(4, 5, seed=1)), call, "Take the mean over all pairs of different outputs.")


def _right_angles(function: Sameness) -> None:
    found = float(function(torch.eye(3)))
    hint = _slip(
        found,
        {
            "Each output meets itself too, with a cosine of 1: leave the diagonal out.": 1 / 3,
            "You divide by the pairs but also count each output with itself: subtract the diagonal first.": 1 / 2,
        },
        "Average the cosines of all pairs of different outputs.",
    )
    if abs(found) > 1e-5:
        raise Mistake(
            f"Three outputs at right angles to each other have a sameness of 0; sameness gives {found:.4f}. {hint}"
        )


def _opposites(function: Sameness) -> None:
    found = float(function(torch.tensor([[1.0, 2.0], [-1.0, -2.0]])))
    if abs(found + 5) < 1e-4:
        hint = "This is the dot product: give the outputs length 1 first."
    elif abs(found - 1) < 1e-4:
        hint = "Keep the sign: opposite outputs are not the same."
    else:
        hint = "There is one pair, in two orders; its cosine is −1."
    if abs(found + 1) > 1e-4:
        raise Mistake(f"Two opposite outputs have a sameness of −1; sameness gives {found:.4f}. {hint}")


def _same_as_by_hand(function: Sameness) -> None:
    output = _vectors(12, 6, seed=5) + 0.5
    cosines, products = _cosines(output, output), output @ output.T
    others = ~torch.eye(12, dtype=torch.bool)
    found, right = float(function(output)), float(cosines[others].mean())
    wrong = {
        "Each output meets itself too, with a cosine of 1: leave the diagonal out.": cosines.mean(),
        "This is the dot product: give the outputs length 1 first.": products[others].mean(),
        "Keep the signs: no absolute values.": cosines[others].abs().mean(),
        "You compare each output only with the next one. Take all pairs.": cosines.diagonal(1).mean(),
        "This is the cosine with the mean output. Take the outputs two by two.": _cosines(output, output.mean(0)[None])
        .mean()
        .item(),
    }
    if abs(found - right) > 1e-4:
        raise Mistake(
            f"On 12 random outputs the sameness is {right:.4f}; sameness gives {found:.4f}. "
            f"{_slip(found, wrong, 'Is every pair of different outputs in the mean, and nothing else?')}"
        )


# --- 5.3 -------------------------------------------------------------------------------------------------------------


def contrastive_loss(function: ContrastiveLoss) -> None:
    """Exercise 5.3: the contrastive loss of a batch in which all answers differ.

    Args:
        function: `function(output, target, temperature)`, output and target `(batch, dim)` → a number.

    Example:
        >>> contrastive_loss(lambda output, target, temperature: 1 - (output * target).sum(1).mean())
        Exercise 5.3: check 2 of 4 does not pass. For two questions answered perfectly, at right angles, and a \
temperature of 1 the loss is ln(1 + 1/e) = 0.3133; contrastive_loss gives 0.0000. Compare each output with all \
answers of the batch, not only with its own.
    """
    judge("5.3", function, [_one_loss, _perfect_answers, _temperature_counts, _same_as_losses])


def _one_loss(function: ContrastiveLoss) -> None:
    found = function(_vectors(4, 5, seed=1), _vectors(4, 5, seed=2), 0.5)
    call = "contrastive_loss of two (4, 5) matrices at temperature 0.5"
    _expect_number(found, call, "The loss of the batch is the mean over its rows.")


def _wrong_losses(output: Tensor, target: Tensor, temperature: float) -> dict[str, Tensor]:
    """Slip → the loss that it gives."""
    cosines, own = _cosines(output, target), torch.arange(len(output))
    logits, products = cosines / temperature, output @ target.T
    wrong = logits.masked_fill(torch.eye(len(output), dtype=torch.bool), -torch.inf)
    return {
        "The sign is wrong: the loss is minus the logarithm of a share, so it is never below 0.": -cross_entropy(
            logits, own
        ),
        "You multiply by the temperature. Divide: a small temperature makes differences large.": cross_entropy(
            cosines * temperature, own
        ),
        "The temperature does nothing: divide the cosines by it.": cross_entropy(cosines, own),
        "You add the rows up. Take their mean, or a larger batch has a larger loss.": len(own)
        * cross_entropy(logits, own),
        "You take the share along the wrong side: each *output* chooses among the answers, along dim=1.": cross_entropy(
            logits.T, own
        ),
        "These are dot products: give outputs and answers length 1 first.": cross_entropy(products / temperature, own),
        "The right answer is missing below the line: the share is of *all* answers, the right one among them.": (
            wrong.logsumexp(1) - logits.diagonal()
        ).mean(),
        "Compare each output with all answers of the batch, not only with its own.": 1 - cosines.diagonal().mean(),
        "The logarithm is missing: this is minus the share itself.": -logits.softmax(1).diagonal().mean(),
        "Take the logarithm of each row's share first, then the mean over rows.": -logits.softmax(1)
        .diagonal()
        .mean()
        .log(),
    }


def _expect_loss(
    function: ContrastiveLoss, output: Tensor, target: Tensor, temperature: float, says: str, hint: str
) -> None:
    found = float(function(output, target, temperature))
    right = float(losses.contrastive(output, target, temperature))
    if abs(found - right) > 1e-4 * max(1.0, right):
        hint = _slip(found, _wrong_losses(output, target, temperature), hint)
        raise Mistake(f"{says.format(right=right)}; contrastive_loss gives {found:.4f}. {hint}")


def _perfect_answers(function: ContrastiveLoss) -> None:
    says = (
        "For two questions answered perfectly, at right angles, and a temperature of 1 the loss is "
        "ln(1 + 1/e) = {right:.4f}"
    )
    _expect_loss(function, torch.eye(2), torch.eye(2), 1.0, says, "Each row: minus the logarithm of the right share.")


def _temperature_counts(function: ContrastiveLoss) -> None:
    output, target = normalize(_vectors(6, 8, seed=6)), normalize(_vectors(6, 8, seed=7))
    says = "For six random answers and a temperature of 0.2 the loss is {right:.4f}"
    _expect_loss(function, output, target, 0.2, says, "Divide the cosines by the temperature before exp.")


def _same_as_losses(function: ContrastiveLoss) -> None:
    output, target = _vectors(16, 8, seed=8), _vectors(16, 8, seed=9)
    says = "For 16 random outputs and answers of different lengths, temperature 0.05, the loss is {right:.4f}"
    _expect_loss(function, output, target, 0.05, says, "Only directions count: give both length 1 first.")


# --- 5.4 -------------------------------------------------------------------------------------------------------------


def wrong_answers(function: WrongAnswers) -> None:
    """Exercise 5.4: which answers of a batch are wrong for which question.

    Args:
        function: `function(target)`, `(batch, dim)` → `(batch, batch)` of bool, True where answer j is wrong for
            question i: not its own, and no copy of its own.

    Example:
        >>> wrong_answers(lambda target: ~torch.eye(len(target), dtype=torch.bool))
        Exercise 5.4: check 3 of 4 does not pass. Answers 0 and 2 are the same text, so answer 2 is right for question \
0 as well; wrong_answers calls it wrong. Leave out every answer whose cosine with the right one is 1.
    """
    judge("5.4", function, [_a_table_of_bools, _strangers_are_wrong, _copies_are_right, _neighbors_are_wrong])


def _table(function: WrongAnswers, target: Tensor) -> Tensor:
    size = len(target)
    hint = "Row i belongs to question i, column j to answer j."
    found = expect_tensor(function(target), (size, size), f"wrong_answers of {size} answers", hint)
    if found.dtype != torch.bool:
        raise Mistake(
            f"wrong_answers gives {found.dtype}, expected torch.bool: a comparison such as cosines < 0.9999 gives it."
        )
    return found


def _a_table_of_bools(function: WrongAnswers) -> None:
    _table(function, _vectors(4, 5, seed=1))


def _strangers_are_wrong(function: WrongAnswers) -> None:
    target = torch.eye(4)
    found, own = _table(function, target), torch.eye(4, dtype=torch.bool)
    if torch.equal(found, own):
        raise Mistake("This is the table of the *right* answers. Turn it round with ~ or with < in place of >.")
    if found.diagonal().any():
        raise Mistake("wrong_answers calls a question's own answer wrong: the diagonal must be False.")
    if not found[~own].all():
        raise Mistake("Four answers at right angles are all wrong for each other; wrong_answers leaves some out.")


def _copies_are_right(function: WrongAnswers) -> None:
    target = _vectors(4, 16, seed=10)
    target[2] = target[0]
    if _table(function, target)[0, 2]:
        raise Mistake(
            "Answers 0 and 2 are the same text, so answer 2 is right for question 0 as well; wrong_answers calls it "
            "wrong. Leave out every answer whose cosine with the right one is 1."
        )
    target[2] = 2 * target[0]  # a copy in direction; twice is exact, so that only == on plain numbers is caught here
    if _table(function, target)[0, 2]:
        raise Mistake(
            "Answer 2 is answer 0, twice as long: the same direction, so a copy; wrong_answers calls it wrong. "
            "Compare cosines, not numbers."
        )
    target = normalize(_vectors(4, 768, seed=11))
    target[2] = normalize(target[0] + 1e-6, dim=0)  # the same text, encoded in another batch
    if _table(function, target)[0, 2]:
        raise Mistake(
            "Answer 2 is answer 0 but for rounding (cosine 1.0000 to four decimals); wrong_answers calls it wrong. "
            "Numbers with decimals are never compared with ==: call it a copy from a cosine of 0.9999 on."
        )


def _neighbors_are_wrong(function: WrongAnswers) -> None:
    target = torch.eye(3, 8)
    target[1] = normalize(target[0] + 0.3 * target[1], dim=0)  # cosine 0.958 with answer 0
    if not _table(function, target)[0, 1]:
        raise Mistake(
            "Answers 0 and 1 have a cosine of 0.96: close, but not the same; wrong_answers does not call 1 wrong. The "
            "close ones teach most: leave out only copies, from a cosine of 0.9999 on."
        )
