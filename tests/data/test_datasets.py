"""Datasets give whole batches, keep texts and groups, and are the same from a file as from memory."""

import hashlib
import re

import numpy as np
import pytest
import torch
from small_cubes import DIM, small, vectors
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError


def random_vectors(count: int, dim: int = 16, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


class Spelling:
    """An encoder that is a different vector for every text."""

    def encode(self, texts) -> torch.Tensor:
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        return torch.tensor([list(digest) for digest in digests], dtype=torch.float32) - 127.5


def on_disk(folder, tensor: torch.Tensor, name: str = "v") -> VectorFile:
    np.save(folder / f"{name}.npy", tensor.numpy())
    return VectorFile(folder / f"{name}.npy")


def from_conversations(conversations, context: int = 1) -> DialogueDataset:
    return DialogueDataset.from_conversations(conversations, Spelling(), context)


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


def test_a_subset_keeps_vectors_texts_groups_and_kind():
    vectors = random_vectors(4)
    dataset = DialogueDataset(vectors, vectors.flip(0), list("abcd"), list("wxyz"), ["p", "q", 3, 3])
    part = dataset.subset(torch.tensor([2, 0]))
    assert repr(part) == "DialogueDataset(2 items of 16 numbers, with texts, 2 groups)"
    assert (part.input_texts, part.target_texts, part.groups) == (["c", "a"], ["y", "w"], [3, "p"])
    assert torch.equal(part.input, vectors[[2, 0]]) and torch.equal(part.target, vectors[[1, 3]])
    own_target = AutoencoderDataset(vectors).subset(torch.tensor([1]))
    assert own_target.target is own_target.input and own_target.input_texts is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoencoderDataset(torch.ones(3)), "AutoencoderDataset input: vectors must be (n, dim) with n at"),
        (lambda: AutoencoderDataset(torch.eye(2), ["a"]), "2 vectors but 1 texts; give one text for each vector."),
        (
            lambda: DialogueDataset(torch.eye(2), torch.eye(3)),
            "each input needs its target; got 2 inputs and 3 targets.",
        ),
        (lambda: DialogueDataset(torch.eye(2), 0 * torch.eye(2)), "DialogueDataset target: 2 of 2 vectors hold"),
        (lambda: AutoencoderDataset(torch.eye(2), groups=[1]), "a number or a name for each of the 2 items; got 1."),
        (lambda: AutoencoderDataset(torch.eye(2), groups=[1, None]), "items; got 2, among them None."),
        (lambda: DialogueDataset.from_pairs([{"question": "a"}], Spelling()), "pair 0 (counted from 0) must look like"),
        (lambda: from_conversations([["a", "b"], ["c"]]), "conversation 1 (counted from 0) must be a list of at least"),
        (lambda: from_conversations([["a", " "]]), "got ['a', ' ']."),
        (lambda: from_conversations([]), "there are no conversations. Give at least one."),
        (lambda: from_conversations([["a", "b"]], context=0), "context must be at least 1 turn; got 0."),
    ],
)
def test_what_cannot_be_used_is_named(make, message):
    with pytest.raises(DataError, match=re.escape(message)):
        make()


def test_groups_may_be_numbers_of_numpy_or_torch():
    for groups in (np.array([7, 7, 8]), torch.tensor([7, 7, 8]), [np.int64(7), 7, 8]):
        assert AutoencoderDataset(torch.eye(3), groups=groups).groups == [7, 7, 8]


@pytest.mark.parametrize("context", [1, 2, 5])
def test_a_conversation_becomes_questions_of_the_last_turns_and_one_group(context):
    chats = [["a", "b", "c", "d"], ["e", "f"], ["g", "h", "i"]]
    dataset = DialogueDataset.from_conversations(chats, Spelling(), context=context)
    whole = ["a", "a\nb", "a\nb\nc", "e", "g", "g\nh"]
    assert dataset.input_texts == ["\n".join(text.split("\n")[-context:]) for text in whole]
    assert dataset.target_texts == ["b", "c", "d", "f", "h", "i"] and dataset.groups == [0, 0, 0, 1, 2, 2]
    assert torch.equal(dataset.target, Spelling().encode(dataset.target_texts))
    assert torch.equal(dataset.input, Spelling().encode(dataset.input_texts))


def test_the_fingerprint_is_of_all_vectors_in_order(tmp_path):
    first, second = random_vectors(3000), random_vectors(3000, seed=1)
    dataset = DialogueDataset(first, second)
    whole = torch.cat([first, second])
    # What checkpoints of earlier versions hold: the hash of shape and bytes.
    expected = hashlib.sha256(f"{(6000, 16)}".encode() + whole.numpy().tobytes()).hexdigest()
    assert dataset.fingerprint() == expected
    assert DialogueDataset(on_disk(tmp_path, first), on_disk(tmp_path, second, "w")).fingerprint() == expected
    others = [
        dataset.subset(torch.arange(3000).roll(1)),
        DialogueDataset(second, first),
        dataset.subset(torch.arange(2999)),
        AutoencoderDataset(first),
        AutoencoderDataset(whole[:, :8]),
    ]
    assert len({expected, *(other.fingerprint() for other in others)}) == 6


@pytest.mark.parametrize("mode", ["autoencoder", "dialogue"])
def test_a_cube_trained_from_a_file_is_the_same_cube(tmp_path, mode):
    source = vectors(2500, 1)
    file = on_disk(tmp_path, source)
    trainers = []
    for found in (source, file):
        trainer = CubeTrainer(small(mode=mode, epochs=1, core={"layout": "pca"}))
        trainer.initialize_components()
        data = AutoencoderDataset(found)
        if mode == "dialogue":
            data = DialogueDataset(
                found, source.roll(1, 1) if found is source else on_disk(tmp_path, source.roll(1, 1), "w")
            )
        train, validation = data.subset(torch.arange(200)), data.subset(torch.arange(200, 2500))
        trainer.fit(train, validation, progress=False)
        trainers.append(trainer)
    memory, disk = trainers
    assert disk.training_history == memory.training_history and disk.trained_on == memory.trained_on
    assert torch.equal(disk.predict(file), memory.predict(source)) and disk.predict(file).shape == (2500, DIM)
    assert disk.evaluate(AutoencoderDataset(file)) == memory.evaluate(AutoencoderDataset(source))


def test_what_the_error_of_a_table_advises_works_as_it_is_typed(tmp_path):
    table = tmp_path / "faq.csv"
    table.write_text("frage;antwort\nOffen?;Ja.\nWann?;\n", encoding="utf-8")
    with pytest.raises(DataError, match='bad_rows="skip"'):
        DialogueDataset.from_file(table, Spelling(), question="frage", answer="antwort")
    with pytest.warns(match="line 3"), pytest.warns(match="semicolons"):
        kept = DialogueDataset.from_file(table, Spelling(), question="frage", answer="antwort", bad_rows="skip")
    assert kept.target_texts == ["Ja."]
