"""From a configuration and a file of any kind to splits: every kind of content in every mode that takes it."""

import json
import zlib

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from cubelib import CubeTrainer, TrainingConfig
from cubelib.data.datasets import AutoencoderDataset, DialogueDataset
from cubelib.data.readers import SkippedRows, Turn
from cubelib.data.splits import leak_free_split
from cubelib.data.vectors import VectorFile
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError
from cubelib.training.sources import load_dataset, load_splits, resolve_widths

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


def test_the_first_rows_of_a_file_are_used_and_the_report_knows(tmp_path, encoder):
    file = tmp_path / "faq.jsonl"
    file.write_text("\n".join(map(json.dumps, pairs())), encoding="utf-8")
    dialogue = config("dialogue", file, limit=20)
    assert load_dataset(dialogue, encoder).input_texts == [pair["question"] for pair in pairs()[:20]]
    assert load_splits(dialogue, encoder)["dialogue"].notes == (
        f"Only the first 20 items of {file} are used (data.limit).",
    )
    np.save(tmp_path / "v.npy", unit_vectors(0))
    assert len(load_dataset(config("autoencoder", tmp_path / "v.npy", limit=20), encoder)) == 20


@pytest.mark.parametrize("answer_dim", [8, 5])
def test_two_files_are_two_sides_and_auto_takes_their_widths(tmp_path, encoder, answer_dim):
    questions, answers = unit_vectors(0), unit_vectors(1)[:, :answer_dim]
    np.save(tmp_path / "q.npy", questions)
    np.save(tmp_path / "a.npy", answers)
    settings = config("dialogue", [tmp_path / "q.npy", tmp_path / "a.npy"])
    settings.embedding_dim = "auto"
    settings = resolve_widths(settings, encoder)
    assert (settings.embedding_dim, settings.target_dim) == (8, answer_dim)
    dataset = load_dataset(settings, encoder)
    assert np.array_equal(dataset.input, questions) and np.array_equal(dataset.target, answers)
    with pytest.raises(DataError, match="3 files of vectors: dialogue takes two"):
        load_dataset(config("dialogue", 3 * [tmp_path / "q.npy"]), encoder)


@pytest.mark.parametrize(
    ("mode", "setting", "value"),
    [("autoencoder", "label_column", "ok"), ("dialogue", "answer_role", "assistant"), ("autoencoder", "min_score", 3)],
)
def test_a_setting_that_has_nothing_to_do_is_refused(tmp_path, encoder, mode, setting, value):
    file = tmp_path / "faq.jsonl"
    file.write_text("\n".join(map(json.dumps, pairs())), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"data\.{setting} is for .* Leave it out"):
        load_dataset(config(mode, file, **{setting: value}), encoder)


def test_what_is_said_of_the_data_is_said_at_every_run_and_kept(tmp_path, encoder):
    rows = [{"question": f"Question {i}?", "answer": f"Answer {i % 30}", "ok": i % 2} for i in range(COUNT)]
    file = tmp_path / "faq.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for _ in range(2):
        with pytest.warns(UserWarning) as caught:
            split = load_splits(config("dialogue", file, label_column="ok", test_fraction=0.3), encoder)["dialogue"]
        told = [str(warning.message) for warning in caught]
        assert list(split.notes) == told
        assert "30 of 60 rows are left out" in told[0] and "30 questions share 15 answers" in told[-1]


def test_hard_negatives_reach_the_loss_and_no_held_out_answer_is_among_them(encoder):
    rows = pairs()
    for i, row in enumerate(rows):
        row["negatives"] = [rows[(i + 1) % COUNT]["answer"], f"Wrong {i}."]
    with pytest.warns(UserWarning, match="hard negatives of training questions are answers of validation or test"):
        split = leak_free_split(DialogueDataset.from_pairs(rows, encoder), test_fraction=0.2)
    train, held_out = split.train, {*split.test.target_texts, *split.validation.target_texts}
    left = [(text, rows[int(text.split()[1][:-1])]["negatives"]) for text in train.input_texts]
    expected = torch.cat([encoder.encode([t for t in wrong if t not in held_out]) for _, wrong in left])
    assert torch.equal(train.negatives_of(torch.arange(len(train))), expected)

    trainer = CubeTrainer({"mode": "dialogue", "embedding_dim": 8, "lattice_size": [2, 2, 2], "batch_size": 4})
    trainer.initialize_components()
    rows = torch.arange(4)
    losses = {}
    for name, dataset in {"with": train, "without": DialogueDataset(train.input[:], train.target[:])}.items():
        losses[name] = trainer.prepare(dataset, split.validation).loop._loss("dialogue", rows, rows).item()
    assert losses["with"] > losses["without"] + 1e-3
    assert train.fingerprint() != DialogueDataset(train.input[:], train.target[:]).fingerprint()


def test_only_the_answers_of_a_role_are_answers(encoder):
    chats = [[Turn("user", "A?"), Turn("assistant", "B."), Turn("user", "C?"), Turn("assistant", "D.")]]
    dataset = DialogueDataset.from_conversations(chats, encoder, context=2, answer_role="assistant")
    assert (dataset.input_texts, dataset.target_texts) == (["A?", "B.\nC?"], ["B.", "D."])
    with pytest.raises(DataError, match=r"no turn of the role 'bot' answers another\. Roles found: assistant, user"):
        DialogueDataset.from_conversations(chats, encoder, answer_role="bot")


def test_the_dialect_that_is_set_holds_for_conversations_too(tmp_path, encoder):
    file = tmp_path / "chats.jsonl"
    chats = [[f"Grüße {number}!", f"Schöne Grüße {number}."] for number in range(3)]
    file.write_text("\n".join(json.dumps(chat, ensure_ascii=False) for chat in chats), encoding="utf-8")
    settings = config("dialogue", file, content="conversations", encoding="latin-1")  # wrong, and so the user's wish
    expected = [chat[1].encode("utf-8").decode("latin-1") for chat in chats]
    assert load_dataset(settings, encoder).target_texts == expected
