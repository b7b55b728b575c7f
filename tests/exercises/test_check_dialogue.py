"""Wrong answers to the exercises of notebook 05, and the lesson that each is told."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from cubelib import exercises as check
from cubelib.training import losses


def cosines(left, right):
    return normalize(left) @ normalize(right).T


def ranks(table):
    return (table >= table.diagonal()[:, None]).sum(1)


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda o, a: None, "gives None: is there a return at the end?"),
        (lambda o, a: [1.0], "gives a list, expected a torch.Tensor"),
        (lambda o, a: (1 / ranks(cosines(o, a))).mean(), "has shape (), expected (4,)"),
        (lambda o, a: ranks(cosines(o, a)), "These are the ranks. Return one divided by each."),
        (lambda o, a: 1 / ranks(-cosines(o, a)), "You count from the wrong end"),
        (lambda o, a: 1 / ranks(cosines(o, a).T), "count along dim=1"),
        (lambda o, a: 1 / (ranks(cosines(o, a)) - 1), "Ranks count from 1"),
        (lambda o, a: 1 / ranks(o @ a.T), "You compare dot products, so long answers win"),
        (lambda o, a: (1 / ranks(cosines(o, a))).mean().expand(len(o)), "The mean comes later"),
        (
            lambda o, a: 1 / (1 + (cosines(o, a) > cosines(o, a).diagonal()[:, None]).sum(1)),
            "A tie must count against the model, or silence wins",
        ),
        (lambda o, a: 1 / ranks(o / o.norm(dim=1, keepdim=True) @ normalize(a).T), "you divide by its length"),
        (lambda o, a: (o @ a.T).diagonal(), "Count the answers that are at least as close"),
    ],
)
def test_wrong_ranks_are_told_what_is_wrong(answer, lesson, capsys):
    check.dialogue.reciprocal_rank(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 5.1: check ")


def others(table):
    return table[~torch.eye(len(table), dtype=torch.bool)]


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda o: None, "gives None: is there a return at the end?"),
        (lambda o: cosines(o, o), "has shape (4, 4), expected one number"),
        (lambda o: "same", "gives a str, expected one number"),
        (lambda o: 0.0 / o.new_zeros(()), "Is something divided by zero"),
        (lambda o: cosines(o, o).mean(), "leave the diagonal out"),
        (lambda o: cosines(o, o).sum() / (len(o) * (len(o) - 1)), "subtract the diagonal first"),
        (lambda o: others(o @ o.T).mean(), "sameness of −1; sameness gives -5.0000. This is the dot product"),
        (lambda o: others(cosines(o, o)).abs().mean(), "sameness gives 1.0000. Keep the sign:"),
        (lambda o: cosines(o, o).diagonal(1).mean(), "only with the next one"),
        (lambda o: others(cosines(o, o)).median(), "Is every pair of different outputs in the mean"),
    ],
)
def test_wrong_samenesses_are_told_what_is_wrong(answer, lesson, capsys):
    check.dialogue.sameness(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 5.2: check ")


def entropy(table):
    return cross_entropy(table, torch.arange(len(table)))


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda o, a, t: None, "gives None: is there a return at the end?"),
        (lambda o, a, t: -(cosines(o, a) / t).log_softmax(1).diagonal(), "has shape (4,), expected one number"),
        (lambda o, a, t: -entropy(cosines(o, a) / t), "The sign is wrong"),
        (lambda o, a, t: entropy(cosines(o, a) * t), "You multiply by the temperature"),
        (lambda o, a, t: entropy(cosines(o, a)), "The temperature does nothing"),
        (lambda o, a, t: len(o) * entropy(cosines(o, a) / t), "You add the rows up"),
        (lambda o, a, t: entropy(cosines(o, a).T / t), "along the wrong side"),
        (lambda o, a, t: entropy(o @ a.T / t), "These are dot products"),
        (lambda o, a, t: 1 - cosines(o, a).diagonal().mean(), "Compare each output with all answers"),
        (lambda o, a, t: -(cosines(o, a) / t).softmax(1).diagonal().mean(), "The logarithm is missing"),
        (
            lambda o, a, t: -(cosines(o, a) / t).softmax(1).diagonal().mean().log(),
            "Take the logarithm of each row's share first",
        ),
        (
            lambda o, a, t: (
                (cosines(o, a) / t).masked_fill(torch.eye(len(o), dtype=torch.bool), -torch.inf).logsumexp(1)
                - (cosines(o, a) / t).diagonal()
            ).mean(),
            "The right answer is missing below the line",
        ),
        (lambda o, a, t: entropy(cosines(o, a) / t) + 1, "minus the logarithm of the right share"),
        (lambda o, a, t: -(cosines(o, a) / t).exp().log_softmax(1).diagonal().mean(), "; contrastive_loss gives "),
    ],
)
def test_wrong_losses_are_told_what_is_wrong(answer, lesson, capsys):
    check.dialogue.contrastive_loss(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 5.3: check ")


def test_the_librarys_own_loss_passes(capsys):
    check.dialogue.contrastive_loss(losses.contrastive)
    assert capsys.readouterr().out == "Exercise 5.3: all 4 checks passed.\n"


@pytest.mark.parametrize(
    ("answer", "lesson"),
    [
        (lambda a: None, "gives None: is there a return at the end?"),
        (lambda a: cosines(a, a) < 0.9999 if len(a) > 4 else [0], "gives a list"),
        (lambda a: (cosines(a, a) < 0.9999)[0], "expected (4, 4)"),
        (lambda a: (cosines(a, a) < 0.9999).float(), "expected torch.bool"),
        (lambda a: cosines(a, a) > 0.9999, "This is the table of the *right* answers"),
        (lambda a: torch.ones(len(a), len(a), dtype=torch.bool), "the diagonal must be False"),
        (lambda a: torch.zeros(len(a), len(a), dtype=torch.bool), "leaves some out"),
        (lambda a: ~torch.eye(len(a), dtype=torch.bool), "Answers 0 and 2 are the same text"),
        (lambda a: (a[:, None] != a[None]).any(2), "twice as long"),
        (lambda a: (normalize(a)[:, None] != normalize(a)[None]).any(2), "but for rounding"),
        (lambda a: cosines(a, a) < 0.95, "close, but not the same"),
    ],
)
def test_wrong_masks_are_told_what_is_wrong(answer, lesson, capsys):
    check.dialogue.wrong_answers(answer)
    said = capsys.readouterr().out
    assert lesson in said and said.startswith("Exercise 5.4: check ")
