"""Splits for known answers that are asked for in new words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, DialogueDataset
from cubelib.data.splits import leak_free_split
from cubelib.errors import ConfigError, DataError
from cubelib.training.config import TrainingConfig


def help_desk(answers: int = 30, wordings: int = 5) -> DialogueDataset:
    """Some wordings for each answer, all different, and two near-copies of every first wording."""
    generator = torch.Generator().manual_seed(0)
    questions = normalize(torch.randn(answers, wordings, 64, generator=generator), dim=-1)
    questions[:, 1] = normalize(questions[:, 0] + 0.01 * torch.randn(answers, 64, generator=generator), dim=-1)
    targets = normalize(torch.randn(answers, 64, generator=generator), dim=-1)
    texts = [f"wording {wording} of {answer}" for answer in range(answers) for wording in range(wordings)]
    replies = [f"answer {answer}" for answer in range(answers) for _ in range(wordings)]
    return DialogueDataset(questions.flatten(0, 1), targets.repeat_interleave(wordings, 0), texts, replies)


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_known_and_questions_are_new(seed):
    dataset = help_desk()
    split = leak_free_split(dataset, 0.2, 0.2, kind="new_questions", seed=seed)
    assert len(split.train) + len(split.validation) + len(split.test) == len(dataset)
    assert len(split.test) == len(split.validation) == 30
    for part in (split.validation, split.test):
        assert set(part.target_texts) <= set(split.train.target_texts)
        assert float((part.input @ split.train.input.T).max()) < 0.95
    assert float((split.test.input @ split.validation.input.T).max()) < 0.95
    assert split.closest < 0.95 and split.kind == "new_questions"
    assert "test items, and every answer is trained on, in 120 groups of copies" in split.report()
    assert (
        "copies are questions with a cosine of 0.95 or more; the closest training and test questions" in split.report()
    )


def test_intervals_resample_answers_whole():
    split = leak_free_split(help_desk(), 0.2, 0.2, kind="new_questions")
    groups = {text: set() for text in split.test.target_texts}
    for text, group in zip(split.test.target_texts, split.test_groups.tolist(), strict=True):
        groups[text].add(group)
    assert all(len(of_answer) == 1 for of_answer in groups.values())
    assert len(np.unique(split.test_groups)) == len(groups)


def test_answers_are_the_same_by_text_or_by_vector():
    dataset = help_desk()
    by_vector = DialogueDataset(dataset.input, dataset.target, dataset.input_texts)
    other_vectors = normalize(dataset.target + 0.1 * torch.randn(dataset.target.shape), dim=1)
    by_text = DialogueDataset(dataset.input, other_vectors, dataset.input_texts, dataset.target_texts)
    expected = leak_free_split(dataset, 0.2, 0.2, kind="new_questions").test.input_texts
    for same in (by_vector, by_text):
        assert leak_free_split(same, 0.2, 0.2, kind="new_questions").test.input_texts == expected


def test_answers_that_are_given_once_are_not_tested():
    dataset = help_desk(wordings=2)  # the second wording is a near-copy of the first
    with pytest.raises(
        DataError, match=r"Only answers that are given to different questions.*use the kind new_answers"
    ):
        leak_free_split(dataset, 0.2, 0.2, kind="new_questions")


@pytest.mark.parametrize(
    ("dataset", "kind"), [(AutoencoderDataset(torch.eye(40)), "new_questions"), (help_desk(), "new_words")]
)
def test_a_kind_that_cannot_be(dataset, kind):
    with pytest.raises(
        DataError, match=rf"new_answers or new_questions, .* for a DialogueDataset only; got kind='{kind}'"
    ):
        leak_free_split(dataset, kind=kind)


@pytest.mark.parametrize("mode", ["autoencoder", "mixed"])
def test_the_configuration_allows_known_answers_in_dialogue_mode_only(mode):
    TrainingConfig.from_dict({"mode": "dialogue", "data": {"split": "new_questions"}})
    with pytest.raises(ConfigError, match=rf"data.split: new_questions is for dialogue mode; in {mode} mode"):
        TrainingConfig.from_dict({"mode": mode, "data": {"split": "new_questions"}})
