"""From a configuration to leak-free splits: texts or vectors → dataset → filters → training, validation and test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cubelib.data import corpora, readers
from cubelib.data.datasets import AutoencoderDataset, DialogueDataset, EmbeddingDataset
from cubelib.data.splits import Split, leak_free_split
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import DataError
from cubelib.training.config import TrainingConfig
from cubelib.training.config_blocks import DataConfig

ARRAYS = (".npy", ".npz", ".safetensors")
FIRST_RUN = 12_000  # sentences: with them the default cube converges in a minute; 16,000 come encoded


def load_splits(config: TrainingConfig, encoder: TeacherEncoder, *, progress: bool = False) -> dict[str, Split]:
    """The data of a run: one split for each task of the mode.

    In mixed mode both tasks share one split of the pairs: a text that one task is tested on is not in the other's
    training data either.

    Returns:
        "autoencoder" and/or "dialogue" → split.

    Raises:
        DataError: the data cannot be used, or the vectors have another width than the configuration says.
    """
    data = config.data
    dataset, filtered = data.filters.quality_filter().apply(load_dataset(config, encoder))
    split = leak_free_split(
        dataset,
        data.validation_fraction,
        data.test_fraction,
        near_copy=data.near_copy,
        kind=data.split,
        seed=config.random_seed,
        progress=progress,
    )
    split = replace(split, filtered=filtered)
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


def load_dataset(config: TrainingConfig, encoder: TeacherEncoder) -> EmbeddingDataset:
    """The items of a run before any filter or split: an AutoencoderDataset in autoencoder mode, else pairs.

    Raises:
        DataError: the data cannot be used, or the vectors have another width than the configuration says.
    """
    if content_of(config.data) != "vectors":
        config.check_widths(encoder.dim, encoder.dim, "Loading the data")  # before hours are spent on encoding
    load = _sentences if config.mode == "autoencoder" else _pairs
    dataset = load(config.data, encoder)
    config.check_widths(dataset.dim, dataset.target_dim, "Loading the data")
    return dataset


def content_of(data: DataConfig) -> str:
    """What the data hold, with "auto" resolved: texts, conversations or vectors."""
    if data.content != "auto":
        return data.content
    return "vectors" if data.file is not None and Path(data.file).suffix.lower() in ARRAYS else "texts"


def _sentences(data: DataConfig, encoder: TeacherEncoder) -> EmbeddingDataset:
    if content_of(data) == "conversations":
        texts, groups = [], []
        for number, turns in enumerate(_conversations(data)):
            texts += turns
            groups += [number] * len(turns)
        return AutoencoderDataset.from_texts(texts, encoder, groups)
    if data.file is None:
        return AutoencoderDataset.from_texts(corpora.sentences(data.limit or FIRST_RUN), encoder)
    if content_of(data) == "vectors":
        return AutoencoderDataset(readers.open_vectors(_source(data), data.vector_column, bad_rows=data.bad_rows))
    texts = readers.read_texts(
        _source(data), data.text_column, bad_rows=data.bad_rows, dialect=data.dialect, missing=data.missing
    )
    return AutoencoderDataset.from_texts(texts, encoder)


def _pairs(data: DataConfig, encoder: TeacherEncoder) -> EmbeddingDataset:
    if content_of(data) == "conversations":
        return DialogueDataset.from_conversations(_conversations(data), encoder, data.context)
    if data.file is None:
        pairs = corpora.dialogues(data.limit or corpora.DEFAULT_PAIRS, language=data.language)
        return DialogueDataset.from_pairs(pairs, encoder)
    if content_of(data) == "vectors":
        if data.bad_rows == "skip":
            raise DataError(
                f"Reading {data.file}: bad_rows: skip would separate questions from their answers in a file of "
                "vectors. Remove the pairs that cannot be used, and leave bad_rows out."
            )
        return DialogueDataset.from_file(_source(data), None, data.question_column, data.answer_column)
    pairs = readers.read_pairs(
        _source(data),
        data.question_column,
        data.answer_column,
        bad_rows=data.bad_rows,
        dialect=data.dialect,
        missing=data.missing,
    )
    return DialogueDataset.from_pairs(pairs, encoder)


def _conversations(data: DataConfig) -> list[list[str]]:
    if data.file is None:
        return corpora.conversations(data.limit or corpora.DEFAULT_CONVERSATIONS)
    return readers.read_conversations(
        _source(data),
        data.messages_column,
        conversation_column=data.conversation_column,
        text_column=data.text_column,
        bad_rows=data.bad_rows,
    )


def _source(data: DataConfig) -> str | list[Path]:
    """What the readers are given: the file, or those of a data set of the hub."""
    file = str(data.file)
    return readers.hub_table(file) if file.startswith("hub:") else file


def _all_texts(pairs: EmbeddingDataset) -> AutoencoderDataset:
    """Every text of the pairs, question or answer, to be given back."""
    texts = groups = None
    if pairs.input_texts is not None and pairs.target_texts is not None:
        texts = [*pairs.input_texts, *pairs.target_texts]
    if pairs.groups is not None:
        groups = [*pairs.groups, *pairs.groups]
    return AutoencoderDataset(torch.cat([pairs.input[:], pairs.target[:]]), texts, groups)
