"""From a configuration to leak-free splits: texts or vectors → dataset → filters → training, validation and test."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cubelib.data import corpora, readers
from cubelib.data.datasets import AutoencoderDataset, DialogueDataset, EmbeddingDataset, Vectors
from cubelib.data.splits import Split, leak_free_split
from cubelib.data.text import normalize_text
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError
from cubelib.training.config import TrainingConfig
from cubelib.training.config_blocks import DataConfig

FIRST_RUN = 12_000  # sentences: with them the default cube converges in a minute; 16,000 come encoded


def make_encoder(data: DataConfig) -> TeacherEncoder:
    """The teacher that the settings describe."""
    return TeacherEncoder(
        data.teacher,
        cache_dir=data.cache_dir,
        query_prompt=data.query_prompt,
        document_prompt=data.document_prompt,
    )


def resolve_widths(config: TrainingConfig, encoder: TeacherEncoder) -> TrainingConfig:
    """The configuration, with embedding_dim: auto replaced by what the data's vectors or the teacher's have."""
    if config.embedding_dim:
        return config
    if content_of(config.data) != "vectors":
        return config.with_widths(encoder.dim, encoder.dim)
    dataset = load_dataset(config, encoder)
    return config.with_widths(dataset.dim, dataset.target_dim)


def load_splits(config: TrainingConfig, encoder: TeacherEncoder, *, progress: bool = False) -> dict[str, Split]:
    """The data of a run: one split for each task of the mode.

    In mixed mode both tasks share one split of the pairs: a text that one task is tested on is not in the other's
    training data either. Each split keeps as `notes` the warnings that the data gave rise to.

    Returns:
        "autoencoder" and/or "dialogue" → split.

    Raises:
        DataError: the data cannot be used, or the vectors have another width than the configuration says.
    """
    data = config.data
    with _warnings_kept() as notes:
        dataset, filtered = data.filters.quality_filter().apply(load_dataset(config, encoder))
        if config.mode == "dialogue" and data.split == "new_answers":
            _warn_of_repeated_answers(dataset)
        split = leak_free_split(
            dataset,
            data.validation_fraction,
            data.test_fraction,
            near_copy=data.near_copy,
            kind=data.split,
            seed=config.random_seed,
            progress=progress,
        )
    if data.files and data.limit:
        notes.append(f"Only the first {data.limit:,} items of {' and '.join(data.files)} are used (data.limit).")
    split = replace(split, filtered=filtered, notes=tuple(notes))
    if config.mode != "mixed":
        return {config.mode: split}
    texts = replace(
        split,
        train=_all_texts(split.train),
        validation=_all_texts(split.validation),
        test=_all_texts(split.test),
        test_groups=None if split.test_groups is None else np.tile(split.test_groups, 2),  # questions, then answers
    )
    return {"autoencoder": texts, "dialogue": split}


@contextmanager
def _warnings_kept() -> Iterator[list[str]]:
    """A list of what users are warned of within the block, whether it was said before in this process or not."""
    notes: list[str] = []
    with warnings.catch_warnings():  # also forgets what was said before
        show = warnings.showwarning

        def show_and_keep(message: Warning | str, category: type[Warning], *where: Any) -> None:
            show(message, category, *where)
            if issubclass(category, UserWarning):
                notes.append(str(message))

        warnings.showwarning = show_and_keep  # type: ignore[assignment]  # takes the rest as *where
        yield notes


def _warn_of_repeated_answers(dataset: EmbeddingDataset) -> None:
    texts = dataset.target_texts or []
    answers = len({normalize_text(text) for text in texts})
    if answers <= len(texts) / 2 and texts:
        warnings.warn(
            f"{len(texts):,} questions share {answers:,} answers. The test asks for answers that the cube has never "
            "seen, with all their questions. How well it finds known answers to new questions is another test: "
            "data.split: new_questions.",
            stacklevel=3,
        )


def load_dataset(config: TrainingConfig, encoder: TeacherEncoder) -> EmbeddingDataset:
    """The items of a run before any filter or split: an AutoencoderDataset in autoencoder mode, else pairs.

    Raises:
        ConfigError: settings of pairs for data without pairs.
        DataError: the data cannot be used, or the vectors have another width than the configuration says.
    """
    content = content_of(config.data)
    if content != "vectors":
        config.check_widths(encoder.dim, encoder.dim, "Loading the data")  # before hours are spent on encoding
    _refuse_unused(config, content)
    load = _sentences if config.mode == "autoencoder" else _pairs
    dataset = load(config.data, content, encoder)
    if content == "vectors" and config.data.limit:
        dataset = dataset.subset(torch.arange(min(config.data.limit, len(dataset))))
    config.check_widths(dataset.dim, dataset.target_dim, "Loading the data")
    return dataset


def content_of(data: DataConfig) -> str:
    """What the data hold, with "auto" resolved: texts, conversations or vectors."""
    if data.content != "auto" or not data.files or data.files[0].startswith("hub:"):
        return "texts" if data.content == "auto" else data.content
    if readers.looks_like_vectors(data.files[0]):
        return "vectors"
    return "conversations" if readers.looks_like_chat(data.files[0]) else "texts"


def _refuse_unused(config: TrainingConfig, content: str) -> None:
    """Settings that would be passed over without a word."""
    data = config.data
    needed = {
        "label_column": "texts",
        "min_score": "texts",
        "negative_column": "texts",
        "answer_role": "conversations",
    }
    for name, kind in needed.items():
        if getattr(data, name) is not None and (content != kind or config.mode == "autoencoder" or not data.files):
            what = "pairs of texts" if kind == "texts" else kind
            raise ConfigError(
                f"data.{name} is for {what} from a file, in dialogue or mixed mode. Here mode is {config.mode}, and "
                f"the data are {content}. Leave it out."
            )


def _sentences(data: DataConfig, content: str, encoder: TeacherEncoder) -> EmbeddingDataset:
    if content == "conversations":
        texts, groups = [], []
        for number, turns in enumerate(_conversations(data)):
            texts += [turn.text for turn in turns]
            groups += [number] * len(turns)
        return AutoencoderDataset.from_texts(texts, encoder, groups)
    if data.file is None:
        return AutoencoderDataset.from_texts(corpora.sentences(data.limit or FIRST_RUN), encoder)
    if content == "vectors":
        text_column = None if data.text_column == "text" else data.text_column
        return AutoencoderDataset(*_vectors_and_texts(data, _source(data), data.vector_column, text_column))
    texts = readers.read_texts(
        _source(data), data.text_column, bad_rows=data.bad_rows, dialect=data.dialect, missing=data.missing
    )
    return AutoencoderDataset.from_texts(texts[: data.limit], encoder)


def _pairs(data: DataConfig, content: str, encoder: TeacherEncoder) -> EmbeddingDataset:
    if content == "conversations":
        return DialogueDataset.from_conversations(_conversations(data), encoder, data.context, data.answer_role)
    if data.file is None:
        pairs = corpora.dialogues(data.limit or corpora.DEFAULT_PAIRS, language=data.language)
        return DialogueDataset.from_pairs(pairs, encoder)
    if content == "vectors":
        return _pairs_of_vectors(data)
    pairs = readers.read_pairs(
        _source(data),
        data.question_column,
        data.answer_column,
        label_column=data.label_column,
        min_score=data.min_score,
        negative_column=data.negative_column,
        bad_rows=data.bad_rows,
        dialect=data.dialect,
        missing=data.missing,
    )
    return DialogueDataset.from_pairs(pairs[: data.limit], encoder)


def _pairs_of_vectors(data: DataConfig) -> DialogueDataset:
    if data.bad_rows == "skip":
        raise DataError(
            f"Reading {data.file}: bad_rows: skip would separate questions from their answers in a file of vectors. "
            "Remove the pairs that cannot be used, and leave bad_rows out."
        )
    if isinstance(data.file, str):
        columns = (data.question_column, data.answer_column)
        (questions, asked), (answers, found) = (_vectors_and_texts(data, _source(data), name) for name in columns)
        return DialogueDataset(questions, answers, asked, found)
    if len(data.files) != 2:
        raise DataError(
            f"Reading {len(data.files)} files of vectors: dialogue takes two, those of the questions and those of the "
            "answers, or one file with both. Give data.file: [questions.npy, answers.npy]."
        )
    (questions, asked), (answers, found) = (_vectors_and_texts(data, file, None) for file in data.files)
    return DialogueDataset(questions, answers, asked, found)


def _vectors_and_texts(
    data: DataConfig, source: readers.Source, column: str | None, text_column: str | None = None
) -> tuple[Vectors, list[str] | None]:
    """Vectors, and the texts of the same rows, if there are any."""
    if isinstance(source, str) and Path(source).suffix.lower() in (".npy", ".safetensors"):  # may stay on the disk
        return readers.open_vectors(source, column, bad_rows=data.bad_rows), None
    return readers.read_vectors_and_texts(source, column, text_column, bad_rows=data.bad_rows, dialect=data.dialect)


def _conversations(data: DataConfig) -> list[list[readers.Turn]]:
    if data.file is None:
        chats = corpora.conversations(data.limit or corpora.DEFAULT_CONVERSATIONS)
        return [[readers.Turn(None, text) for text in turns] for turns in chats]
    conversations = readers.read_turns(
        _source(data),
        data.messages_column,
        conversation_column=data.conversation_column,
        text_column=data.text_column,
        role_column=data.role_column,
        pause_hours=data.pause_hours,
        bad_rows=data.bad_rows,
        dialect=data.dialect,
    )
    return conversations[: data.limit]


def _source(data: DataConfig) -> str | list[str] | list[Path]:
    """What the readers are given: the files, or those of a data set of the hub."""
    if len(data.files) > 1:
        return data.files
    (file,) = data.files
    return readers.hub_table(file) if file.startswith("hub:") else file


def _all_texts(pairs: EmbeddingDataset) -> AutoencoderDataset:
    """Every text of the pairs, question or answer, to be given back."""
    texts = groups = None
    if pairs.input_texts is not None and pairs.target_texts is not None:
        texts = [*pairs.input_texts, *pairs.target_texts]
    if pairs.groups is not None:
        groups = [*pairs.groups, *pairs.groups]
    return AutoencoderDataset(torch.cat([pairs.input[:], pairs.target[:]]), texts, groups)
