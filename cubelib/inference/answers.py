"""AnswerBank: from a vector back to text, by finding the nearest of the texts it knows.

    vectors (n, dim) ─cosine with every answer of the bank→ the k nearest, as text

A cube outputs numbers, which nobody can read. Its answer is therefore the known text whose vector is closest in
direction: it can say nothing that is not in the bank.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset, encode_as
from cubelib.data.readers import read_texts
from cubelib.data.text import counted, normalize_text
from cubelib.data.vectors import COSINE_TOLERANCE, ConcatSubset, VectorFile, blocks, check_vectors, take
from cubelib.encoders.encoder import TeacherEncoder, check_texts
from cubelib.errors import DataError
from cubelib.files import new_target, read_sealed, sha256_of, write_sealed
from cubelib.metrics.rows import BLOCK, Embeddings, concat_blocks, l2_normalize, similarity_rows
from cubelib.metrics.structure import nearest

FORMAT = 3
VECTORS, TEXTS = "vectors.npy", "answers.json"


@dataclass(frozen=True)
class Answer:
    """A text of a bank, found for a vector.

    Attributes:
        text: the answer.
        score: its cosine with the vector, −1 … 1, to six decimals.
        index: its position in the bank.
    """

    text: str
    score: float
    index: int


class AnswerBank:
    """Texts and their vectors, searched by direction.

    An answer's score for a vector is their cosine, so lengths make no difference. For the vector (2, 1) below:

        Yes.      (1, 0)   (2·1 + 1·0) / √5             = 2 / √5   = 0.894
        No.       (0, 1)   (2·0 + 1·1) / √5             = 1 / √5   = 0.447
        Perhaps.  (1, 1)   (2·1 + 1·1) / (√5 · √2)      = 3 / √10  = 0.949   the nearest

    Of texts that differ only in case and white space, the bank keeps the first.

    Args:
        vectors: `(n, dim)`, a tensor, a NumPy array, or a VectorFile, which stays on disk.
        texts: n texts.

    Attributes:
        texts: the different texts, `(m,)`.
        vectors: their vectors, `(m, dim)`.
        joined: how many of the texts given were equal to an earlier one, n − m.

    Raises:
        DataError: no texts, an empty one, not one vector for each, or vectors without a direction.

    Example:
        >>> bank = AnswerBank(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), ["Yes.", "No.", "Perhaps."])
        >>> [(answer.text, round(answer.score, 3)) for answer in bank.nearest(torch.tensor([[2.0, 1.0]]), k=2)[0]]
        [('Perhaps.', 0.949), ('Yes.', 0.894)]
        >>> AnswerBank(torch.eye(3), ["Yes.", "No.", " YES. "])
        AnswerBank(2 different answers of 3 numbers, 1 equal text joined)
    """

    def __init__(self, vectors: Embeddings, texts: Sequence[str]) -> None:
        texts = check_texts(texts, "AnswerBank")
        vectors = check_vectors(_as_vectors(vectors), "AnswerBank")
        if len(vectors) != len(texts):
            raise DataError(
                f"AnswerBank: each text needs its vector; got {counted(len(vectors), 'vector')} for "
                f"{counted(len(texts), 'text')}."
            )
        first: dict[str, int] = {}  # normalized text → its first index
        for index, text in enumerate(texts):
            first.setdefault(normalize_text(text), index)
        self.joined = len(texts) - len(first)
        if self.joined:
            vectors = take(vectors, torch.tensor(list(first.values())))
            texts = [texts[index] for index in first.values()]
        self.vectors, self.texts = vectors, texts

    @classmethod
    def from_texts(cls, texts: Sequence[str], encoder: TeacherEncoder) -> AnswerBank:
        """Encodes texts (or finds them in the cache).

        Example:
            >>> from cubelib import TeacherEncoder
            >>> letters = TeacherEncoder(lambda texts: [[text.count("a"), text.count("o")] for text in texts])
            >>> AnswerBank.from_texts(["a cat", "two dogs"], letters)
            AnswerBank(2 different answers of 2 numbers)
        """
        return cls(encode_as(encoder, texts, "document"), texts)

    @classmethod
    def from_dataset(cls, *datasets: EmbeddingDataset) -> AnswerBank:
        """The targets of one or more datasets: the answers of a dialogue, every sentence of an autoencoder.

        The vectors of several datasets are read where they are; nothing is copied.

        Raises:
            DataError: no dataset, one without texts, or datasets of different widths.

        Example:
            >>> from cubelib import DialogueDataset
            >>> drinks = DialogueDataset(torch.eye(2), torch.eye(2), ["Tea?", "Milk?"], ["Yes.", "No."])
            >>> weather = DialogueDataset(torch.eye(2), torch.eye(2), ["Rain?", "Sun?"], ["Yes.", "Perhaps."])
            >>> AnswerBank.from_dataset(drinks, weather)
            AnswerBank(3 different answers of 2 numbers, 1 equal text joined)
        """
        texts: list[str] = []
        for dataset in datasets:
            if dataset.target_texts is None:
                raise DataError(
                    f"AnswerBank.from_dataset: the targets of {dataset!r} have no texts to answer with. Make the "
                    "dataset with texts, or the bank with AnswerBank.from_texts."
                )
            texts += dataset.target_texts
        if not datasets or len({dataset.dim for dataset in datasets}) > 1:
            raise DataError(
                "AnswerBank.from_dataset: takes one dataset or several of the same width; got "
                f"{', '.join(map(repr, datasets)) or 'none'}."
            )
        if len(datasets) == 1:
            return cls(datasets[0].target, texts)
        return cls(ConcatSubset([dataset.target for dataset in datasets], np.arange(len(texts))), texts)

    @classmethod
    def from_file(cls, path: str | Path, encoder: TeacherEncoder, column: str = "answer") -> AnswerBank:
        """The texts of a file, encoded (or found in the cache).

        Args:
            path: .txt with a text on each line, or a table; see `cubelib.data.readers.read_texts`.
            encoder: encodes the texts.
            column: of a table.

        Raises:
            DataError: the file, the column or a row cannot be used; the message names the line.
        """
        return cls.from_texts(read_texts(path, column), encoder)

    def nearest(self, vectors: Embeddings, k: int = 5) -> list[list[Answer]]:
        """The k answers of the highest cosine for each vector, the best first.

        Answers that are equal to six decimals keep the order of the bank. At most 64 MB of cosines are in memory at a
        time, or those of one vector with the whole bank.

        Args:
            vectors: `(n, dim)`, of any length but zero.
            k: how many; the whole bank if it has fewer.

        Raises:
            DataError: another width than the bank's, vectors that are zero or not finite, or k below 1.
        """
        vectors = _as_vectors(vectors)
        if k < 1:
            raise DataError(f"AnswerBank.nearest: k is how many answers to find, at least 1; got {k}.")
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            advice = "Use vector[None] for a single one." if vectors.ndim == 1 else "Encode with the bank's encoder."
            raise DataError(
                f"AnswerBank.nearest: takes vectors (n, {self.dim}), as wide as the bank's; got "
                f"{tuple(vectors.shape)}. {advice}"
            )
        if not len(vectors):
            return []
        vectors = check_vectors(vectors, "AnswerBank.nearest")
        answers: list[list[Answer]] = []
        for start, cosines in similarity_rows(vectors, self.vectors):  # (block, m)
            # Twice the tolerance: everything that may be tied with the k-th answer is a candidate.
            row, column, _ = nearest(cosines, min(k, len(self)), 2 * COSINE_TOLERANCE)  # (candidates,) each
            counts = row.bincount().tolist()
            scores = self._scores(vectors, start + row, column)
            for score, index in zip(scores.split(counts), column.split(counts), strict=True):
                order = score.sort(descending=True, stable=True).indices[:k]
                best = zip(score[order].tolist(), index[order].tolist(), strict=True)
                answers.append([Answer(self.texts[index], score, index) for score, index in best])
        return answers

    def _scores(self, vectors: Tensor | VectorFile, row: Tensor, column: Tensor) -> Tensor:
        """Cosines of pairs to six decimals, `(pairs,)`, computed in float64 so that rounding separates no ties."""

        def block_scores(rows: Tensor, columns: Tensor) -> Tensor:
            return (l2_normalize(vectors[rows].double()) * l2_normalize(self.vectors[columns].double())).sum(1)

        return concat_blocks(len(row), map(block_scores, row.split(BLOCK), column.split(BLOCK))).round(decimals=6)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]

    def save(self, folder: str | Path) -> Path:
        """Writes a folder with two files, vectors.npy (float32) and answers.json. It appears when it is complete.

        Raises:
            DataError: the folder exists.
            UserError: it cannot be written.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = AnswerBank(torch.eye(2), ["Yes.", "No."]).save(f"{folder}/bank")
            ...     AnswerBank.load(path).texts
            ['Yes.', 'No.']
        """
        folder = Path(folder)
        with new_target(folder, "AnswerBank.save") as aside:
            aside.mkdir()
            with (aside / VECTORS).open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": tuple(self.vectors.shape)}
                np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
                for block in blocks(self.vectors):
                    file.write(block.numpy().astype("<f4").tobytes())
            contents = {"joined": self.joined, "texts": self.texts, "vectors_sha256": sha256_of(aside / VECTORS)}
            write_sealed(aside / TEXTS, FORMAT, contents)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> AnswerBank:
        """What `save` wrote. The vectors stay in the file and are read block by block.

        Raises:
            DataError: no such folder, a damaged one, or texts that belong to other vectors.
        """
        folder = Path(folder)
        try:
            contents = read_sealed(folder / TEXTS, FORMAT)
            if sha256_of(folder / VECTORS) != contents["vectors_sha256"]:
                raise ValueError(f"{VECTORS} is not the file that was saved with {TEXTS}")
            bank = cls(VectorFile(folder / VECTORS), contents["texts"])
            bank.joined += contents["joined"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"AnswerBank.load: {folder} cannot be used ({error}). Give a folder that AnswerBank.save wrote, "
                "complete and unchanged."
            ) from None
        return bank

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        joined = f", {counted(self.joined, 'equal text')} joined" if self.joined else ""
        return f"AnswerBank({len(self):,} different answers of {self.dim} numbers{joined})"


def _as_vectors(vectors: Embeddings) -> Tensor | VectorFile:
    """A tensor on the CPU, or the VectorFile that was given."""
    return vectors if isinstance(vectors, VectorFile) else torch.as_tensor(vectors).detach().cpu()
