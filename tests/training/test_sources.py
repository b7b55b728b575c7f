"""From a configuration and a file of any kind to splits: every kind of content in every mode that takes it."""

import json
import zlib

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cubelib import TrainingConfig
from cubelib.data.datasets import AutoencoderDataset, DialogueDataset
from cubelib.data.readers import SkippedRows
from cubelib.data.vectors import VectorFile
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError
from cubelib.training.sources import load_dataset, load_splits

COUNT = 60


def letters(texts: list[str]) -> np.ndarray:
    """A teacher of eight numbers: far-apart vectors for texts that differ in a number."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=8) for text in texts])


@pytest.fixture
def encoder() -> TeacherEncoder:
    return TeacherEncoder(letters)


def config(mode: str, file: object = None, **data: object) -> TrainingConfig:
    return TrainingConfig.from_dict(
        {"mode": mode, "embedding_dim": 8, "lattice_size": [2, 2, 2], "data": {"file": file, **data}}
    )


def pairs() -> list[dict[str, str]]:
    return [{"question": f"Question {i}?", "answer": f"It is {i * i}."} for i in range(COUNT)]


def unit_vectors(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, 8)).astype(np.float32)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".json", ".parquet"])
def test_a_table_serves_every_mode(tmp_path, encoder, ending):
    file = tmp_path / f"faq{ending}"
    if ending == ".csv":
        lines = ["question,answer", *(f"{pair['question']},{pair['answer']}" for pair in pairs())]
        file.write_text("\n".join(lines), encoding="utf-8")
    elif ending == ".jsonl":
        file.write_text("\n".join(map(json.dumps, pairs())), encoding="utf-8")
    elif ending == ".json":
        file.write_text(json.dumps(pairs()), encoding="utf-8")
    else:
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(pairs()), file)
    dialogue = load_dataset(config("dialogue", file), encoder)
    assert isinstance(dialogue, DialogueDataset)
    assert dialogue.input_texts[3] == "Question 3?" and dialogue.target_texts[3] == "It is 9."
    answers = load_dataset(config("autoencoder", file, text_column="answer"), encoder)
    assert isinstance(answers, AutoencoderDataset) and answers.input_texts == dialogue.target_texts
    mixed = load_splits(config("mixed", file), encoder)
    assert len(mixed["autoencoder"].train) == 2 * len(mixed["dialogue"].train)


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_vectors_of_questions_and_answers_train_without_texts(tmp_path, encoder, ending):
    file, arrays = tmp_path / f"v{ending}", {"question": unit_vectors(0), "answer": unit_vectors(1)}
    np.savez(file, **arrays) if ending == ".npz" else save_file(arrays, file)
    dialogue = load_dataset(config("dialogue", file), encoder)
    assert torch.equal(dialogue.input, torch.from_numpy(arrays["question"]))
    assert torch.equal(dialogue.target, torch.from_numpy(arrays["answer"])) and dialogue.input_texts is None
    one = load_dataset(config("autoencoder", file, vector_column="answer"), encoder)
    assert torch.equal(one.input, dialogue.target)
    mixed = load_splits(config("mixed", file), encoder)["autoencoder"].train
    assert len(mixed) % 2 == 0 and mixed.input_texts is None
    with pytest.raises(DataError, match="bad_rows: skip would separate questions from their answers"):
        load_dataset(config("dialogue", file, bad_rows="skip"), encoder)


def test_vectors_in_a_table_are_asked_for(tmp_path, encoder):
    file = tmp_path / "api.jsonl"
    file.write_text("\n".join(json.dumps({"embedding": row.tolist()}) for row in unit_vectors(2)), encoding="utf-8")
    dataset = load_dataset(config("autoencoder", file, content="vectors"), encoder)
    assert torch.allclose(dataset.input, torch.from_numpy(unit_vectors(2)))


def test_a_large_file_of_vectors_stays_on_disk(tmp_path, encoder, monkeypatch):
    np.save(tmp_path / "v.npy", unit_vectors(3))
    settings = config("autoencoder", tmp_path / "v.npy")
    small = load_splits(settings, encoder)["autoencoder"]
    monkeypatch.setattr("cubelib.data.readers.vectors.IN_MEMORY", 100)
    large = load_splits(settings, encoder)["autoencoder"]
    assert isinstance(small.train.input, torch.Tensor) and isinstance(large.train.input, VectorFile)
    assert torch.equal(large.train.input[:], small.train.input)
    assert large.train.fingerprint() == small.train.fingerprint()


def test_conversations_keep_together_in_every_mode(tmp_path, encoder):
    file = tmp_path / "chats.jsonl"
    chats = [{"messages": [f"Turn {turn} of {chat}" for turn in range(4)]} for chat in range(COUNT)]
    file.write_text("\n".join(map(json.dumps, chats)), encoding="utf-8")
    split = load_splits(config("dialogue", file, content="conversations", context=2), encoder)["dialogue"]
    assert "Turn 0 of 3\nTurn 1 of 3" in [
        t for part in (split.train, split.validation, split.test) for t in part.texts[0]
    ]
    chats_of = [
        {text.split()[-1] for text in part.target_texts} for part in (split.train, split.validation, split.test)
    ]
    assert sum(map(len, chats_of)) == COUNT == len(set.union(*chats_of))
    turns = load_dataset(config("autoencoder", file, content="conversations"), encoder)
    assert len(turns) == 4 * COUNT and turns.groups[:5] == [0, 0, 0, 0, 1]


def test_filters_and_skipped_rows_are_counted(tmp_path, encoder):
    file = tmp_path / "faq.csv"
    lines = ["question,answer", *(f"{pair['question']},{pair['answer']}" for pair in pairs()), "Empty?,", "Да?,Нет."]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=r"faq\.csv, line 62: the column 'answer' is empty"):
        load_dataset(config("dialogue", file), encoder)
    settings = config("dialogue", file, bad_rows="skip", filters={"script": "latin"})
    with pytest.warns(SkippedRows, match="1 of 62 rows are left out"):
        split = load_splits(settings, encoder)["dialogue"]
    (step,) = split.filtered.steps
    assert (step.name, step.before, step.removed, step.after) == ("script", COUNT + 1, 1, COUNT)
    assert len(split.train) + len(split.validation) + len(split.test) == COUNT


def test_nothing_is_filtered_unless_asked(tmp_path, encoder):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(pair["answer"] for pair in pairs()), encoding="utf-8")
    split = load_splits(config("autoencoder", file), encoder)["autoencoder"]
    assert split.filtered.steps == () and len(split.train) + len(split.validation) + len(split.test) == COUNT


def test_a_width_that_does_not_fit_names_the_setting(tmp_path, encoder):
    np.save(tmp_path / "v.npy", unit_vectors(3)[:, :5])
    with pytest.raises(DataError, match=r"the vectors have 5 numbers, embedding_dim is 8\. Set embedding_dim: 5\."):
        load_dataset(config("autoencoder", tmp_path / "v.npy"), encoder)


def test_built_in_dialogues_know_languages():
    with pytest.raises((ConfigError, DataError), match="xx"):
        load_dataset(config("dialogue", language="xx"), TeacherEncoder(letters))
    russian = load_dataset(config("dialogue", language="ru"), TeacherEncoder(letters))
    assert any("а" <= letter <= "я" for letter in russian.input_texts[0].lower())


def test_built_in_conversations_are_grouped(encoder):
    dataset = load_dataset(config("dialogue", content="conversations", limit=20, context=3), encoder)
    assert len(set(dataset.groups)) == 20 and len(dataset) > 60


def test_a_data_set_of_the_hub(tmp_path, encoder, monkeypatch):
    file = tmp_path / "0000.jsonl"
    file.write_text("\n".join(map(json.dumps, pairs())), encoding="utf-8")
    asked = []
    monkeypatch.setattr("cubelib.data.readers.hub_table", lambda name: asked.append(name) or [file])
    settings = config("dialogue", "hub:some/faq")
    assert len(load_dataset(settings, encoder)) == COUNT
    assert asked == ["hub:some/faq"]


def test_datasets_come_from_files_without_a_configuration(tmp_path, encoder):
    file = tmp_path / "faq.jsonl"
    file.write_text("\n".join(map(json.dumps, pairs())), encoding="utf-8")
    dialogue = DialogueDataset.from_file(file, encoder)
    turned = DialogueDataset.from_file(file, encoder, question="answer", answer="question")
    answers = AutoencoderDataset.from_file(file, encoder, column="answer")
    assert torch.equal(dialogue.target, answers.input) and torch.equal(turned.input, dialogue.target)
    np.save(tmp_path / "v.npy", dialogue.input.numpy())
    assert torch.equal(AutoencoderDataset.from_file(tmp_path / "v.npy").input, dialogue.input)
    with pytest.raises(DataError, match="there is no column 'text'"):
        AutoencoderDataset.from_file(file, encoder)
