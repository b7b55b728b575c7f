"""A split never divides copies or groups, meets its shares, and measures how close its sides come."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, DialogueDataset, TeacherEncoder
from cubelib.data import corpora
from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.filters import QualityFilter
from cubelib.data.splits import copy_groups, leak_free_split
from cubelib.errors import DataError

NEAR = 0.95
BORDERS = (("training", "test"), ("training", "validation"), ("validation", "test"))


def random_vectors(count: int, dim: int = 16, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def chain(count: int, step: float = 0.3) -> torch.Tensor:
    """Points on a circle: each a copy of the next (cosine 0.955), the ends far apart."""
    angles = torch.arange(count) * step
    return torch.stack([angles.cos(), angles.sin()], 1)


def numbered(dataset: EmbeddingDataset) -> list[int]:
    return [int(text) for text in dataset.input_texts]


def sides(split) -> dict[str, EmbeddingDataset]:
    return {"training": split.train, "validation": split.validation, "test": split.test}


def across(split) -> list[float]:
    """The largest cosine between any two vectors on either side of each border."""
    unit = {name: normalize(torch.cat([p.input, p.target]).double(), dim=1) for name, p in sides(split).items()}
    return [float((unit[one] @ unit[other].T).max()) for one, other in BORDERS]


def test_copies_are_joined_through_chains_and_between_questions_and_answers():
    # The ends of the chain are 69 degrees apart. Five more items stand in other dimensions.
    vectors = torch.zeros(10, 7)
    vectors[:5, :2] = chain(5)
    vectors[5:, 2:] = torch.eye(5)
    assert copy_groups(AutoencoderDataset(vectors), NEAR).tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    questions, answers = torch.eye(12)[:6], torch.eye(12)[6:].clone()
    answers[0] = 3 * questions[4]  # the answer of the first item is the question of the fifth, in another length
    assert copy_groups(DialogueDataset(questions, answers), NEAR).tolist() == [0, 1, 2, 3, 0, 4]


def test_a_threshold_of_one_joins_equal_vectors_and_equal_texts_only():
    vectors = torch.eye(8)[:6].clone()
    vectors[1] = vectors[0]
    vectors[2] = vectors[0] + 1e-6 * torch.eye(8)[7]
    assert copy_groups(AutoencoderDataset(vectors), 1.0).tolist() == [0, 0, 1, 2, 3, 4]
    assert copy_groups(AutoencoderDataset(vectors), 0.999999).tolist() == [0, 0, 0, 1, 2, 3]
    split = leak_free_split(AutoencoderDataset(torch.cat([vectors, random_vectors(30, 8)])), near_copy=1)
    assert "copies are equal vectors; the closest" in split.report()


def test_equal_words_are_copies_whatever_their_vectors():
    questions = ["How are you?", "x", "y", " how  ARE\nyou?", "cafe\u0301", "z"]
    answers = ["a", "b", "HOW ARE YOU?", "c", "d", "CAFÉ"]
    dataset = DialogueDataset(torch.eye(12)[:6], torch.eye(12)[6:], questions, answers)
    assert copy_groups(dataset, NEAR).tolist() == [0, 1, 0, 0, 2, 2]
    only_answers = DialogueDataset(torch.eye(12)[:6], torch.eye(12)[6:], None, ["a", "A", "b", "c", "a ", "d"])
    assert copy_groups(only_answers, NEAR).tolist() == [0, 0, 1, 2, 0, 3]


def test_groups_of_the_user_join_with_copies():
    vectors = torch.eye(8)[:6].clone()
    vectors[5] = vectors[1]
    dataset = AutoencoderDataset(vectors, groups=["a", "b", "a", 3, "3", "c"])
    assert copy_groups(dataset, NEAR).tolist() == [0, 1, 0, 2, 3, 1]
    assert "groups of copies and of items that belong together (largest" in (
        leak_free_split(AutoencoderDataset(torch.eye(30), groups=torch.arange(30) // 2)).report()
    )


def test_a_group_too_large_for_test_goes_to_training_whole():
    vectors = torch.cat([random_vectors(60), torch.eye(16)[:1].repeat(20, 1)])
    split = leak_free_split(AutoencoderDataset(vectors, [str(i) for i in range(80)]), near_copy=0.99)
    assert set(range(60, 80)) <= set(numbered(split.train))
    assert (len(split.validation), len(split.test), split.largest_group) == (8, 8, 20)


@st.composite
def adversarial(draw) -> DialogueDataset:
    """Pairs with copies, chains, answers that are other items' questions, texts in other letters, and groups."""
    seed, count, dim = draw(st.integers(0, 999)), draw(st.integers(40, 120)), 24
    generator = torch.Generator().manual_seed(seed)
    vectors = [random_vectors(count, dim, seed), random_vectors(count, dim, seed + 1)]
    texts = [[f"{'qa'[side]} {item}" for item in range(count)] for side in range(2)]

    def place() -> tuple[int, int]:
        return int(torch.randint(2, (), generator=generator)), int(torch.randint(count, (), generator=generator))

    for _ in range(draw(st.integers(0, 12))):
        (from_side, source), (to_side, copy) = place(), place()
        kind = draw(st.sampled_from(["equal", "longer", "near", "chain", "words"]))
        original = vectors[from_side][source]
        if kind == "words":
            texts[to_side][copy] = f"  {texts[from_side][source].upper()}\t"
        elif kind == "chain":
            for _ in range(draw(st.integers(2, 5))):
                original = normalize(original + 0.06 * torch.randn(dim, generator=generator), dim=0)
                vectors[to_side][copy] = original
                to_side, copy = place()
        else:
            noise = 0.04 * torch.randn(dim, generator=generator) if kind == "near" else 0
            vectors[to_side][copy] = (3 if kind == "longer" else 1) * original + noise
    groups = None
    if draw(st.booleans()):
        groups = list(range(count))
        for _ in range(draw(st.integers(1, 10))):
            groups[place()[1]] = groups[place()[1]]
    return DialogueDataset(*vectors, *texts, groups)


@settings(max_examples=40, deadline=None)
@given(dataset=adversarial(), seed=st.integers(0, 99))
def test_no_split_of_adversarial_pairs_leaks(dataset, seed):
    split = leak_free_split(dataset, 0.2, 0.1, near_copy=NEAR, seed=seed)
    parts = sides(split)
    where = {vector: name for name, part in parts.items() for vector in map(tuple, part.input.tolist())}
    assert len(dataset) == sum(map(len, parts.values()))
    assert all(tuple(vector) in where for vector in dataset.input.tolist())
    found = across(split)
    assert max(found) < NEAR
    assert [border.cosine for border in split.borders] == pytest.approx(found, abs=1e-6)
    plain = [{" ".join(t.lower().split()) for t in p.input_texts + p.target_texts} for p in parts.values()]
    assert not (plain[0] & plain[1] or plain[0] & plain[2] or plain[1] & plain[2])
    if dataset.groups is not None:
        own = [set(part.groups) for part in parts.values()]
        assert not (own[0] & own[1] or own[0] & own[2] or own[1] & own[2])
    for part, share in ((split.validation, 0.2), (split.test, 0.1)):
        assert 0 <= round(share * len(dataset)) - len(part) < split.largest_group


def test_the_split_of_a_seed_stays_what_it_was():
    # Stored figures hold for these items: training, validation and test must not move between versions.
    dataset = AutoencoderDataset(random_vectors(40), [str(i) for i in range(40)])
    split = leak_free_split(dataset, 0.1, 0.1)
    assert (numbered(split.validation), numbered(split.test)) == ([2, 3, 23, 34], [4, 11, 24, 27])
    assert numbered(leak_free_split(dataset, 0.1, 0.1, seed=1).test) != numbered(split.test)


def test_the_report_names_the_closest_pair_of_every_border():
    vectors = torch.eye(64)[:40].clone()
    texts = [f"text  {i}\n" + "and more words" * (i % 9) for i in range(40)]
    first = leak_free_split(AutoencoderDataset(vectors, texts))
    numbers = {name: int(part.input[0].argmax()) for name, part in sides(first).items()}
    for step, (one, other) in enumerate(BORDERS):  # one pair on each border comes closer than all others
        vectors[numbers[one], 50 + step] = vectors[numbers[other], 50 + step] = 1 + step
    split = leak_free_split(AutoencoderDataset(vectors, texts), near_copy=0.999)
    report = split.report()
    assert report.startswith(
        "32 training, 4 validation and 4 test items in 40 groups of copies (largest 1); copies are texts with a cosine "
        f"of 0.999 or more; the closest training and test texts have {split.closest:.4f} ("
    )
    assert [border.sides for border in split.borders] == list(BORDERS) and "\n" not in report
    for border, (one, other) in zip(split.borders, BORDERS, strict=True):
        assert border.texts == (texts[numbers[one]], texts[numbers[other]])
        verb = " texts have" if other == "test" and one == "training" else ""
        assert f" {one} and {other}{verb} {border.cosine:.4f} (“text {numbers[one]}" in report
    assert all(len(quoted) <= 60 for quoted in re.findall("“(.*?)”", report))
    without = leak_free_split(AutoencoderDataset(vectors), near_copy=0.999)
    assert without.borders[0].texts is None and "“" not in without.report()
    half = leak_free_split(DialogueDataset(vectors, vectors + 0, texts), near_copy=0.999)
    assert half.groups == 40 and half.closest == split.closest


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (AutoencoderDataset(torch.ones(9, 2)), {}, "items: 9; number of groups (cosine 0.95 or more): 1, the largest"),
        (AutoencoderDataset(torch.eye(2)), {}, "training, validation and test need a group of copies each"),
        (
            AutoencoderDataset(torch.eye(30), groups=torch.arange(30) // 10),
            {},
            "room for 3 validation and 3 test items",
        ),
        (AutoencoderDataset(torch.eye(9)), {"near_copy": 0.0}, "near_copy must be above 0 and at most 1"),
        (AutoencoderDataset(torch.eye(9)), {"test_fraction": 0.9}, "above 0 and together below 1; got near_copy"),
    ],
)
def test_what_cannot_be_split_is_named(dataset, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        leak_free_split(dataset, **options)


def test_the_split_of_the_built_in_dialogues_does_not_leak():
    split = leak_free_split(DialogueDataset.from_pairs(corpora.dialogues(), TeacherEncoder()))
    assert (len(split.train), len(split.validation), len(split.test), split.groups) == (3200, 400, 400, 3378)
    assert max(across(split)) < NEAR
    texts = [{text.casefold() for text in part.input_texts + part.target_texts} for part in sides(split).values()]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])


def test_an_approximate_search_is_reported(monkeypatch):
    monkeypatch.setattr("cubelib.data.near_copies.EXACT", 100)
    split = leak_free_split(AutoencoderDataset(random_vectors(400)))
    assert "or more, looked for with an approximate index (faiss), which may miss a few; the closest" in split.report()
    assert max(across(split)) < NEAR


def test_one_greeting_in_all_conversations_is_named_and_can_be_removed():
    rng = torch.Generator().manual_seed(0)
    turns = [("Hello", f"How is {name}?", f"{name} is well.") for name in map(str, range(30))]
    texts = sorted({text for conversation in turns for text in conversation})
    vector = dict(zip(texts, torch.randn(len(texts), 64, generator=rng), strict=True))

    class Table:
        def encode(self, texts):
            return torch.stack([vector[text] for text in texts])

    dataset = DialogueDataset.from_conversations(turns, Table())
    with pytest.raises(DataError, match=r"“hello” occurs 30 times\. Add other data, or remove what joins them"):
        leak_free_split(dataset)
    kept, _ = QualityFilter(repeats=5).apply(dataset)
    assert leak_free_split(kept).groups == 30


def test_a_group_of_more_than_half_is_told():
    vectors = torch.eye(40)
    dataset = AutoencoderDataset(vectors, groups=[0] * 25 + list(range(1, 16)))
    with pytest.warns(UserWarning, match="25 of 40 items hang together by copies and must all be trained on"):
        leak_free_split(dataset)
