"""AnswerBank: from a vector back to text, by looking for the nearest among known ones.

    vectors (n, dim) ─cosine with every answer of the bank→ the k nearest, as text

A cube makes numbers, and numbers cannot be read. So its answer is the known text whose vector points most nearly in the
same direction: it can say nothing that is not in the bank.

Taught in notebook 05.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cubelib.data.text import normalize_text
from cubelib.data.vectors import Picked, VectorFile, blocks, check_vectors, take
from cubelib.errors import DataError, UserError
from cubelib.metrics.neighbors import nearest
from cubelib.metrics.rows import BLOCK, TIE, joined, similarity_rows, unit

if TYPE_CHECKING:
    from cubelib.data.datasets import EmbeddingDataset
    from cubelib.data.readers.tables import Source
    from cubelib.encoders.encoder import TeacherEncoder

FORMAT = 1
VECTORS, TEXTS = "vectors.npy", "answers.json"


@dataclass(frozen=True)
class Answer:
    """A text of a bank, found for a vector.

    Attributes:
        text: the answer.
        score: its cosine with the vector, −1 … 1, to six decimals.
        index: its place in the bank.
    """

    text: str
    score: float
    index: int


class AnswerBank:
    """Texts and their vectors, to be looked for by direction.

    A vector's score for an answer is their cosine, so lengths make no difference. For the vector (2, 1) below:

        Yes.      (1, 0)   (2·1 + 1·0) / √5             = 2 / √5   = 0.894
        No.       (0, 1)   (2·0 + 1·1) / √5             = 1 / √5   = 0.447
        Perhaps.  (1, 1)   (2·1 + 1·1) / (√5 · √2)      = 3 / √10  = 0.949   the nearest

    Texts that are equal but for case and white space stand in the bank once, as the first of them does.

    Args:
        vectors: `(n, dim)`, a tensor, a NumPy array, or a VectorFile, which stays on disk.
        texts: n texts.

    Attributes:
        texts: the different texts, `(m,)`.
        vectors: theirs, `(m, dim)`.
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

    def __init__(self, vectors: Tensor | np.ndarray | VectorFile, texts: Sequence[str]) -> None:
        from cubelib.data.readers.text import cell_fault

        if isinstance(texts, str):
            raise DataError(f"AnswerBank: texts is a list of texts; got one str, {texts!r:.60}. Use [text].")
        texts = list(texts)
        vectors = torch.as_tensor(vectors) if isinstance(vectors, np.ndarray) else vectors
        if not texts:
            raise DataError("AnswerBank: there are no answers. Give at least one text and its vector.")
        if not isinstance(vectors, (Tensor, VectorFile)) or len(vectors) != len(texts):
            given = f"{len(vectors):,} vectors" if hasattr(vectors, "__len__") else f"a {type(vectors).__name__}"
            raise DataError(
                f"AnswerBank: each text needs its vector, (n, dim) in a tensor or VectorFile; got {given} for "
                f"{len(texts):,} texts."
            )
        for number, text in enumerate(texts):
            if fault := cell_fault(text, f"text {number} (counted from 0)"):
                raise DataError(f"AnswerBank: {fault[0]}. Mend it, or leave it out, and its vector with it.")
        vectors = check_vectors(vectors.detach().cpu() if isinstance(vectors, Tensor) else vectors, "AnswerBank")
        first: dict[str, int] = {}
        for place, text in enumerate(texts):
            first.setdefault(normalize_text(text), place)
        self.joined = len(texts) - len(first)
        if self.joined:
            chosen = torch.tensor(list(first.values()))
            vectors, texts = take(vectors, chosen), [texts[place] for place in chosen.tolist()]
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
        return cls(encoder.encode(texts), texts)

    @classmethod
    def from_dataset(cls, *datasets: EmbeddingDataset) -> AnswerBank:
        """The targets of one or several datasets: the answers of a dialogue, every sentence of an autoencoder.

        Of several, nothing is copied: their vectors are read where they are.

        Raises:
            DataError: no dataset, one without texts, or datasets of different widths.

        Example:
            >>> from cubelib import DialogueDataset
            >>> one = DialogueDataset(torch.eye(2), torch.eye(2), ["Tea?", "Rain?"], ["Yes.", "No."])
            >>> other = DialogueDataset(torch.eye(2), torch.eye(2), ["Milk?", "Sun?"], ["Yes.", "Perhaps."])
            >>> AnswerBank.from_dataset(one, other)
            AnswerBank(3 different answers of 2 numbers, 1 equal text joined)
        """
        for dataset in datasets:
            if dataset.target_texts is None:
                raise DataError(
                    f"AnswerBank.from_dataset: {dataset!r} has no texts of its targets, so nothing in it can be read. "
                    "Make the dataset with texts, or the bank with AnswerBank.from_texts."
                )
        if not datasets or len({dataset.dim for dataset in datasets}) > 1:
            raise DataError(
                "AnswerBank.from_dataset: takes one dataset or several of the same width; got "
                f"{', '.join(map(repr, datasets)) or 'none'}."
            )
        texts = [text for dataset in datasets for text in dataset.target_texts]
        targets = [dataset.target for dataset in datasets]
        return cls(targets[0] if len(targets) == 1 else Picked(targets, np.arange(len(texts))), texts)

    @classmethod
    def from_file(cls, path: Source, encoder: TeacherEncoder, column: str = "answer") -> AnswerBank:
        """The texts of a file, encoded (or found in the cache).

        Args:
            path: .txt with a text on each line, a table, or a data set of the hub: what `cubelib.data.readers.read_texts`
                reads.
            encoder: encodes the texts.
            column: of a table.

        Raises:
            DataError: the file, the column or a row cannot be used; the message names the line.
        """
        from cubelib.data import readers

        return cls.from_texts(readers.read_texts(path, column), encoder)

    def nearest(self, vectors: Tensor | np.ndarray | VectorFile, k: int = 5) -> list[list[Answer]]:
        """The k answers of the highest cosine for each vector, the best first.

        Answers level to six decimals stand in the order of the bank. The cosines of a few vectors with the whole bank
        are in memory at a time, 64 MB at most or one row.

        Args:
            vectors: `(n, dim)`, of any length but zero.
            k: how many; the whole bank where it has fewer.

        Raises:
            DataError: another width than the bank's, vectors that are zero or not finite, or k below 1.
        """
        vectors = vectors if isinstance(vectors, (Tensor, VectorFile)) else torch.as_tensor(vectors)
        if k < 1:
            raise DataError(f"AnswerBank.nearest: k is how many answers to find, at least 1; got {k}.")
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise DataError(
                f"AnswerBank.nearest: takes vectors (n, {self.dim}), as wide as the bank's; got "
                f"{tuple(vectors.shape)}. "
                + ("Use vector[None] for a single one." if vectors.ndim == 1 else "Encode with the bank's encoder.")
            )
        if not len(vectors):
            return []
        vectors = vectors.detach().cpu() if isinstance(vectors, Tensor) else vectors
        vectors = check_vectors(vectors, "AnswerBank.nearest")
        found: list[list[Answer]] = []
        for start, cosines in similarity_rows(vectors, self.vectors):
            row, column, _ = nearest(cosines, min(k, len(self)), 2 * TIE)  # with all those level with the last
            counts = row.bincount().tolist()
            scores = self._scores(vectors, start + row, column)
            for score, index in zip(scores.split(counts), column.split(counts), strict=True):
                best = score.sort(descending=True, stable=True).indices[:k]
                pairs = zip(score[best].tolist(), index[best].tolist(), strict=True)
                found.append([Answer(self.texts[place], value, place) for value, place in pairs])
        return found

    def _scores(self, vectors: Tensor | VectorFile, row: Tensor, column: Tensor) -> Tensor:
        """Cosines of some pairs to six decimals, taken in float64: what is level must not be parted by rounding."""
        pairs = zip(row.split(BLOCK), column.split(BLOCK), strict=True)
        exact = ((unit(vectors[one].double()) * unit(self.vectors[other].double())).sum(1) for one, other in pairs)
        return joined(len(row), exact).round(decimals=6)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.vectors.shape[1]

    def save(self, folder: str | Path) -> Path:
        """Writes a folder of two files: vectors.npy, float32, and answers.json. It appears when it is complete.

        Raises:
            DataError: the folder exists.
            UserError: it cannot be written.

        Example:
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = AnswerBank(torch.eye(2), ["Yes.", "No."]).save(f"{folder}/bank")
            ...     AnswerBank.load(path).texts
            ['Yes.', 'No.']
        """
        folder, aside = Path(folder), None
        if folder.exists():
            raise DataError(f"AnswerBank.save: {folder} exists and was left as it is. Choose another name.")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            digest = hashlib.sha256()
            with (aside / VECTORS).open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": tuple(self.vectors.shape)}
                np.lib.format.write_array_header_1_0(file, header)
                for block in blocks(self.vectors):
                    values = block.numpy().astype("<f4").tobytes()
                    digest.update(values)
                    file.write(values)
            facts = {"format": FORMAT, "vectors_sha256": digest.hexdigest(), "joined": self.joined}
            with (aside / TEXTS).open("w", encoding="utf-8") as file:
                json.dump({**facts, "texts": self.texts}, file, ensure_ascii=False, indent=0)
            aside.chmod(0o755)  # mkdtemp lets nobody else in
            os.rename(aside, folder)
        except OSError as error:
            raise UserError(
                f"AnswerBank.save: cannot write {folder} ({error.strerror or error}). It takes "
                f"{4 * self.vectors.shape.numel() / 1e6:,.1f} MB and the texts. Make room, or choose another place."
            ) from error
        finally:
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> AnswerBank:
        """What `save` wrote. The vectors stay in the file and are read block by block.

        Raises:
            DataError: no such folder, one that is damaged, or texts that belong to other vectors.
        """
        folder = Path(folder)
        remedy = "Give a folder that AnswerBank.save wrote, whole and unchanged."
        try:
            facts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise DataError(
                    f"AnswerBank.load: {folder} has format {facts['format']}, this cubelib reads {FORMAT}. {remedy}"
                )
            texts, sha256, joined = facts["texts"], facts["vectors_sha256"], int(facts["joined"])
        except OSError as error:
            raise DataError(f"AnswerBank.load: cannot read {folder / TEXTS}: {error.strerror}. {remedy}") from None
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"AnswerBank.load: {folder / TEXTS} is damaged ({error}). {remedy}") from None
        vectors, digest = VectorFile(folder / VECTORS), hashlib.sha256()
        for block in blocks(vectors):
            digest.update(block.numpy())
        if digest.hexdigest() != sha256:
            raise DataError(
                f"AnswerBank.load: {folder / VECTORS} is not the file that was saved with {TEXTS}. {remedy}"
            )
        bank = cls(vectors, texts)
        bank.joined += joined
        return bank

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        joined = f", {self.joined:,} equal text{'s' * (self.joined > 1)} joined" if self.joined else ""
        return f"AnswerBank({len(self):,} different answers of {self.dim} numbers{joined})"
