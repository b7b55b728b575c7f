"""The answer bank holds every answer once and knows all right ones; examples and hubs show what is in it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_reports import dataset_for, made_report, noisy, report_on, split_for, trainer_for, vectors
from torch.nn.functional import normalize

from cubelib import DialogueDataset
from cubelib.data.splits import Split, leak_free_split
from cubelib.data.vectors import ConcatSubset
from cubelib.evaluation.examples import find_examples
from cubelib.evaluation.relevant_answers import RelevantAnswers
from cubelib.evaluation.table import CUBE
from cubelib.metrics import EmbeddingMetrics


def parts(split: Split) -> tuple[DialogueDataset, ...]:
    return split.test, split.validation, split.train


def by_hand(test: DialogueDataset, validation: DialogueDataset, train: DialogueDataset) -> Split:
    split = split_for("dialogue")
    return Split(train, validation, test, split.groups, split.largest_group, 1.0, split.borders)


@st.composite
def conversations(draw) -> Split:
    """Few different questions and answers, so that both are repeated, within a part and across them."""
    items = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=12)
    space = torch.eye(16)
    datasets = []
    for _ in range(3):
        pairs = draw(items)
        questions, answers = (torch.tensor([pair[side] for pair in pairs]) for side in (0, 1))
        datasets.append(
            DialogueDataset(
                space[questions], space[8 + answers], [f"q{i}" for i in questions], [f"a{i}" for i in answers]
            )
        )
    return by_hand(*datasets)


@settings(max_examples=60, deadline=None)
@given(split=conversations())
def test_the_bank_holds_each_answer_once_and_all_right_ones_of_a_question(split):
    pairs = [(q, a) for part in parts(split) for q, a in zip(part.input_texts, part.target_texts, strict=True)]
    items = np.arange(len(pairs))
    bank = RelevantAnswers(split, items)
    texts = [bank.text(entry) for entry in range(len(bank))]
    assert len(set(texts)) == len(texts) and set(texts) == {answer for _, answer in pairs}
    for entry, vector in enumerate(bank.vectors[:]):
        assert f"a{int(vector.argmax()) - 8}" == texts[entry]
    for item in items:
        expected = {answer for question, answer in pairs if question == pairs[item][0]}
        assert {texts[entry] for entry in bank.relevant[item].tolist()} == expected
    assert bank.chance == pytest.approx(np.mean([len(right) for right in bank.relevant]) / len(bank))
    with pytest.raises(IndexError):
        ConcatSubset([torch.eye(2)], np.array([0]))[[1]]


def test_rounding_makes_no_other_answer():
    answers = vectors(40, seed=1)
    answers[1] = 3 * answers[0] + 1e-8  # the same direction
    answers[3] = normalize(answers[2] + 0.01 * answers[4], dim=0)  # not quite
    dataset = DialogueDataset(vectors(40), answers)
    split = by_hand(*(dataset.subset(torch.arange(*ends)) for ends in ((0, 10), (10, 20), (20, 40))))
    bank = RelevantAnswers(split, [0, 1, 2])
    assert len(bank) == 40
    assert [right.tolist() for right in bank.relevant] == [[0, 1], [0, 1], [2]]
    near = (answers[2] @ answers[3] / answers[2].norm()).item()
    assert 0.9999 < near < 1 - 1e-6


def test_several_right_answers_are_all_right():
    questions, answers = vectors(60).repeat_interleave(2, 0), vectors(120, seed=1)
    split = leak_free_split(DialogueDataset(questions, answers), 0.2, 0.4, near_copy=0.9999)
    own, other = split.test.target[0::2], split.test.target[1::2]  # the two answers of each question
    twice = split.test.input[0::2]

    def second_answer(x: torch.Tensor) -> torch.Tensor:
        place = (x[:, None] == twice).all(2).double().argmax(1)
        known = (x[:, None] == twice).all(2).any(1)
        return torch.where(known[:, None], other[place], x)

    report = report_on(trainer_for("dialogue"), second_answer, split=split)
    assert torch.equal(split.test.input[0::2], split.test.input[1::2]) and not torch.equal(own, other)
    assert report.value(CUBE, "r@1") == 1 and report.value(CUBE, "ndcg@10") < 1
    assert report.bank_size == 120 and report.chance == pytest.approx(2 / 120)
    assert report.units == len(split.test) // 2


# --- items that say most ------------------------------------------------------------------------------------------


def test_examples_are_the_extremes_and_no_two_are_copies():
    cube = [0.9, 0.9, 0.5, 0.1, 0.2, 0.3, 0.8, 0.4]
    before = [0.9, 0.9, 0.1, 0.6, 0.2, 0.2, 0.8, 0.5]
    report = made_report(cube=cube, cube_before_training=before, groups=[0, 0, 1, 2, 3, 4, 5, 6], task="autoencoder")
    found = find_examples(report, lambda x: x, None)
    assert {kind: [example["item"] for example in some] for kind, some in found.items()} == {
        "best": [0, 6, 2],  # number 1 is a copy of number 0
        "worst": [3, 4, 5],
        "improved": [2, 5],
        "worsened": [3, 7],
    }
    assert found["improved"][0] == {
        "item": 2,
        "cosine_similarity": {"before": 0.1, "after": 0.5},
        "input_text": None,
        "target_text": None,
    }


def test_equals_are_ordered_by_the_cosine():
    report = made_report(cube=[1.0, 1.0, 1.0, 0.5], cube_before_training=[1.0, 1.0, 1.0, 0.5])
    report.row(CUBE).per_item["cosine_similarity"] = torch.tensor([0.3, 0.9, 0.6, 0.7])
    split = report.split
    bank = RelevantAnswers(split, np.arange(len(split.test)))
    found = find_examples(report, lambda x: x, bank)
    assert [example["item"] for example in found["best"]] == [1, 2, 0]
    assert [example["item"] for example in found["worst"]] == [3, 0, 2]
    assert found["improved"] == found["worsened"] == []


def test_a_dialogue_s_examples_hold_the_answer_found():
    report = report_on(trainer_for("dialogue"), noisy(0.1), split=split_for("dialogue", texts=True))
    test, bank = report.split.test, RelevantAnswers(report.split, np.arange(60))
    output = noisy(0.1)(test.input)  # of all items; the examples' noise is their own
    ranks = EmbeddingMetrics.retrieval(output, bank.vectors, bank.relevant).rank
    for example in report.examples["best"]:
        assert example["input_text"] == test.input_texts[example["item"]]
        assert example["target_text"] == test.target_texts[example["item"]]
        assert example["mrr"]["after"] == pytest.approx(1 / float(ranks[example["item"]]))
        assert example["found_text"].startswith("answer ")
    honest = report_on(trainer_for("dialogue"), split=split_for("dialogue", texts=True))
    assert all(example["found_text"] == example["target_text"] for example in honest.examples["best"])
    assert not any(example["found_text"] == example["target_text"] for example in honest.examples["worst"])
    assert honest.examples["best"][0]["mrr"] == {"before": 1.0, "after": 1.0}


# --- hubs ---------------------------------------------------------------------------------------------------------


def test_a_cube_that_answers_everything_with_one_answer_is_a_hub():
    split = split_for("dialogue", texts=True)
    always = split.train.target[3]
    report = report_on(trainer_for("dialogue"), lambda x: always + 1e-3 * x, split=split)
    before, after = report.hubs["before"], report.hubs["after"]
    assert [hub["outputs"] for hub in after["largest"]] == [60, 60, 60] and after["never"] == pytest.approx(190 / 200)
    nearest = EmbeddingMetrics.k_occurrence(always[None], dataset_for("dialogue").target)
    assert {hub["text"] for hub in after["largest"]} < {f"answer {i}" for i in nearest.nonzero()[:, 0].tolist()}
    assert after["skewness"] > before["skewness"] + 1 and after["never"] > before["never"]
    assert (report.hubs["k"], report.hubs["outputs"]) == (10, 60)
    assert report_on(trainer_for("autoencoder")).hubs == {}
