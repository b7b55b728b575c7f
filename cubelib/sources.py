"""From a configuration to leak-free splits: texts or vectors → dataset → training, validation and test."""

from __future__ import annotations

from dataclasses import replace

import torch

from cubelib import corpora, readers
from cubelib.config import TrainingConfig
from cubelib.datasets import AutoencoderDataset, DialogueDataset, Split, leak_free_split
from cubelib.encoder import TeacherEncoder
from cubelib.errors import DataError


def _autoencoder_dataset(config: TrainingConfig, encoder: TeacherEncoder) -> AutoencoderDataset:
    file = config.data.file
    if file is None:
        return AutoencoderDataset.from_texts(corpora.sentences(config.data.limit or corpora.DEFAULT_SENTENCES), encoder)
    if file.suffix.lower() == ".npy":
        return AutoencoderDataset(readers.read_vectors(file, config.embedding_dim))
    if file.suffix.lower() == ".txt":
        return AutoencoderDataset.from_texts(readers.read_sentences(file), encoder)
    raise DataError(
        f"Reading {file}: autoencoder mode takes a .txt file (a sentence a line) or a .npy file (vectors). Convert the "
        "file, or set mode to dialogue for question → answer pairs."
    )


def _dialogue_dataset(config: TrainingConfig, encoder: TeacherEncoder) -> DialogueDataset:
    data = config.data
    if data.file is None:
        pairs = corpora.dialogues(data.limit or corpora.DEFAULT_PAIRS)
    else:
        pairs = readers.read_pairs(data.file, data.question_column, data.answer_column)
    return DialogueDataset.from_pairs(pairs, encoder)


def _autoencoder_part(pairs: DialogueDataset) -> AutoencoderDataset:
    """Every text of the pairs, question or answer, to be given back."""
    return AutoencoderDataset(torch.cat([pairs.input, pairs.target]), [*pairs.input_texts, *pairs.target_texts])


def load_splits(config: TrainingConfig, encoder: TeacherEncoder, *, progress: bool = False) -> dict[str, Split]:
    """The data of a run: one split for each task of the mode.

    In mixed mode both tasks share one split of the pairs: a text that one task is tested on is not in the other's
    training data either.

    Returns:
        "autoencoder" and/or "dialogue" → split.

    Raises:
        DataError: the data cannot be used, or the vectors have another width than the configuration says.
    """
    task = "autoencoder" if config.mode == "autoencoder" else "dialogue"
    dataset = _autoencoder_dataset(config, encoder) if task == "autoencoder" else _dialogue_dataset(config, encoder)
    if dataset.dim != config.embedding_dim:
        raise DataError(
            f"The vectors have {dataset.dim} numbers but embedding_dim is {config.embedding_dim}. "
            f"Set embedding_dim: {dataset.dim}."
        )
    data = config.data
    split = leak_free_split(
        dataset,
        data.validation_fraction,
        data.test_fraction,
        near_copy=data.near_copy,
        seed=config.random_seed,
        progress=progress,
    )
    if config.mode != "mixed":
        return {task: split}
    parts = {name: _autoencoder_part(getattr(split, name)) for name in ("train", "validation", "test")}
    return {"autoencoder": replace(split, **parts), "dialogue": split}
