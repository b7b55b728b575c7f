"""Datasets give whole batches and keep their texts; a split never divides copies."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from cubelib import AutoencoderDataset, DialogueDataset, TeacherEncoder, corpora
from cubelib.datasets import EmbeddingDataset, copy_groups, leak_free_split
from cubelib.errors import DataError

NEAR = 0.95


def random_vectors(count: int, dim: int = 16, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def chain(count: int, step: float = 0.3) -> torch.Tensor:
    """Points on a circle: each a copy of the next (cosine 0.955), the ends far apart."""
    angles = torch.arange(count) * step
    return torch.stack([angles.cos(), angles.sin()], 1)


def numbered(dataset: EmbeddingDataset) -> list[int]:
    return [int(text) for text in dataset.input_texts]


def worst_across(split) -> float:
    """The largest cosine between any two vectors on different sides."""
    sides = [normalize(torch.cat([p.input, p.target]), dim=1) for p in (split.train, split.validation, split.test)]
    return max(float((sides[i] @ sides[j].T).max()) for i, j in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.parametrize("kind", ["autoencoder", "dialogue"])
def test_a_loader_goes_through_every_item_once(kind):
    vectors = random_vectors(21)
    dataset = AutoencoderDataset(vectors) if kind == "autoencoder" else DialogueDataset(vectors, vectors.flip(0))
    loader = DataLoader(dataset, 8, shuffle=True, collate_fn=lambda batch: batch)
    batches = list(loader)
    assert [tuple(batch["input"].shape) for batch in batches] == [(8, 16), (8, 16), (5, 16)]
    seen = torch.cat([torch.cat([batch["input"], batch["target"]], 1) for batch in batches])
    expected = torch.cat([dataset.input, dataset.target], 1)
    assert sorted(seen.tolist()) == sorted(expected.tolist())
    one = dataset[3]
    assert torch.equal(one["input"], dataset.input[3]) and torch.equal(one["target"], dataset.target[3])


def test_a_subset_keeps_vectors_texts_and_kind():
    vectors = random_vectors(4)
    dataset = DialogueDataset(vectors, vectors.flip(0), list("abcd"), list("wxyz"))
    part = dataset.subset(torch.tensor([2, 0]))
    assert repr(part) == "DialogueDataset(2 items of 16 numbers, with texts)"
    assert (part.input_texts, part.target_texts) == (["c", "a"], ["y", "w"])
    assert torch.equal(part.input, vectors[[2, 0]]) and torch.equal(part.target, vectors[[1, 3]])
    own_target = AutoencoderDataset(vectors).subset(torch.tensor([1]))
    assert own_target.target is own_target.input and own_target.input_texts is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: AutoencoderDataset(torch.ones(3)),
            "AutoencoderDataset input: vectors must be (n, dim) with n at least 1",
        ),
        (lambda: AutoencoderDataset(torch.ones(0, 3)), "got shape (0, 3)."),
        (
            lambda: AutoencoderDataset(torch.eye(3)[:, :2]),
            "1 of 3 vectors hold nothing but zeros, the first is number 2",
        ),
        (
            lambda: AutoencoderDataset(torch.eye(2) / 0),
            "2 of 2 vectors hold NaN or infinite numbers, the first is number 0",
        ),
        (lambda: AutoencoderDataset(torch.eye(2) * 1e30), "2 of 2 vectors hold numbers too small or too large"),
        (lambda: AutoencoderDataset(torch.eye(2) * 1e-30), "2 of 2 vectors hold numbers too small or too large"),
        (lambda: AutoencoderDataset(torch.eye(2), ["a"]), "2 vectors but 1 texts; one text for each vector."),
        (lambda: DialogueDataset(torch.eye(2), torch.eye(3)), "got (2, 2) and (3, 3)."),
        (
            lambda: DialogueDataset(torch.eye(2), torch.zeros(2, 2)),
            "DialogueDataset target: 2 of 2 vectors hold nothing",
        ),
        (lambda: DialogueDataset(torch.eye(2), torch.eye(2), ["a", "b"], ["a"]), "2 vectors but 1 texts"),
        (
            lambda: leak_free_split(AutoencoderDataset(torch.ones(9, 2))),
            "Number of items: 9; number of groups (cosine 0.95 or more): 1",
        ),
        (
            lambda: leak_free_split(AutoencoderDataset(torch.eye(2))),
            "training, validation and test need a group of copies each",
        ),
    ],
)
def test_what_cannot_be_used_is_named(make, message):
    with pytest.raises(DataError, match=re.escape(message)):
        make()


def test_integer_and_double_vectors_become_float32():
    assert AutoencoderDataset(torch.eye(2, dtype=torch.long)).input.dtype == torch.float32
    assert AutoencoderDataset(torch.eye(2, dtype=torch.double)).target.dtype == torch.float32


def test_copies_are_joined_through_chains_and_between_questions_and_answers():
    # The ends of the chain are 69 degrees apart. Five more items stand in other dimensions.
    vectors = torch.zeros(10, 7)
    vectors[:5, :2] = chain(5)
    vectors[5:, 2:] = torch.eye(5)
    assert copy_groups(AutoencoderDataset(vectors), NEAR).tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    questions, answers = torch.eye(12)[:6], torch.eye(12)[6:].clone()
    answers[0] = 3 * questions[4]  # the answer of the first item is the question of the fifth, in another length
    assert copy_groups(DialogueDataset(questions, answers), NEAR).tolist() == [0, 1, 2, 3, 0, 4]


def test_a_group_too_large_for_test_goes_to_training_whole():
    vectors = torch.cat([random_vectors(60), torch.eye(16)[:1].repeat(20, 1)])
    split = leak_free_split(AutoencoderDataset(vectors, [str(i) for i in range(80)]), near_copy=0.99)
    assert set(range(60, 80)) <= set(numbered(split.train))
    assert (len(split.validation), len(split.test), split.largest_group) == (8, 8, 20)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_split_of_adversarial_pairs_leaks(data):
    seed = data.draw(st.integers(0, 999))
    count = data.draw(st.integers(30, 120))
    questions, answers = random_vectors(count, 24, seed), random_vectors(count, 24, seed + 1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(data.draw(st.integers(0, 15))):  # copies, near-copies, swapped and chained, at random places
        source, place = torch.randint(count, (2,), generator=generator).tolist()
        from_side, to_side = (torch.randint(2, (1,), generator=generator).item() for _ in range(2))
        original = (questions, answers)[from_side][source]
        noise = data.draw(st.sampled_from([0.0, 0.03, 0.06])) * torch.randn(24, generator=generator)
        (questions, answers)[to_side][place] = normalize(original + noise, dim=0)
    dataset = DialogueDataset(questions, answers, [str(i) for i in range(count)])
    split = leak_free_split(dataset, 0.2, 0.1, near_copy=NEAR, seed=seed)
    parts = [numbered(split.train), numbered(split.validation), numbered(split.test)]
    assert sorted([*parts[0], *parts[1], *parts[2]]) == list(range(count))
    assert worst_across(split) < NEAR
    assert 0 < len(parts[1]) <= round(0.2 * count) and 0 < len(parts[2]) <= round(0.1 * count)


def test_the_seed_decides_the_split():
    dataset = AutoencoderDataset(random_vectors(200), [str(i) for i in range(200)])
    first, again, other = (leak_free_split(dataset, 0.2, 0.1, seed=seed) for seed in (1, 1, 2))
    assert numbered(first.train) == numbered(again.train) != numbered(other.train)
    assert numbered(first.test) == numbered(again.test) != numbered(other.test)
    assert (len(first.train), len(first.validation), len(first.test)) == (140, 40, 20)


def test_blocks_of_the_similarity_matrix_change_nothing(monkeypatch):
    vectors = torch.cat([random_vectors(40, 8), random_vectors(40, 8) + 0.01])
    whole = leak_free_split(AutoencoderDataset(vectors))
    monkeypatch.setattr("cubelib.datasets.BLOCK", 7)
    blocks = leak_free_split(AutoencoderDataset(vectors))
    assert whole.groups == blocks.groups < 80
    assert whole.closest == pytest.approx(blocks.closest, abs=1e-6)
    assert torch.equal(whole.test.input, blocks.test.input)


@pytest.mark.parametrize("kind", ["sentences", "dialogues"])
def test_the_splits_of_the_built_in_texts_do_not_leak(kind):
    encoder = TeacherEncoder()
    if kind == "sentences":
        dataset = AutoencoderDataset.from_texts(corpora.sentences(), encoder)
    else:
        dataset = DialogueDataset.from_pairs(corpora.dialogues(), encoder)
    split = leak_free_split(dataset)
    count = len(dataset)
    assert len(split.train) + len(split.validation) + len(split.test) == count
    assert len(split.validation) == len(split.test) == count // 10
    assert worst_across(split) < NEAR
    assert split.closest < NEAR and f"closest training and test texts have {split.closest:.4f}" in split.report()
    texts = [
        {t.casefold() for t in p.input_texts + p.target_texts} for p in (split.train, split.validation, split.test)
    ]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])
