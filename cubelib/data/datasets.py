"""Datasets of embeddings, in memory or in a file.

    AutoencoderDataset    input = target
    DialogueDataset       question → answer

Both are `torch.utils.data.Dataset`s of `{"input", "target"}` and keep the texts, so that a report can quote them.
`cubelib.data.splits` divides them without leaks, `cubelib.data.filters` sorts items out.

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cubelib.data.splits import Split, copy_groups, leak_free_split
from cubelib.data.vectors import BLOCK, VectorFile, blocks, check_vectors, take
from cubelib.errors import DataError

if TYPE_CHECKING:
    from cubelib.data.readers.tables import Source

__all__ = [
    "BLOCK",
    "AutoencoderDataset",
    "DialogueDataset",
    "EmbeddingDataset",
    "Split",
    "VectorFile",
    "check_vectors",
    "copy_groups",
    "leak_free_split",
]

Vectors = Tensor | VectorFile
Group = int | str


class Encoder(Protocol):
    """Turns texts into vectors: a `TeacherEncoder`, or anything with its `encode`."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """`(n, dim)`, a vector for each text."""
        ...


class EmbeddingDataset(Dataset):
    """Pairs of vectors, with their texts where there are any.

    Args:
        input: `(n, dim)`, a tensor, a NumPy array or a VectorFile, whose rows are read when a batch needs them.
        target: `(n, dim)`, likewise.
        input_texts: n texts, or None.
        target_texts: n texts, or None.
        groups: a number or name for each item, or None: items of one customer, document or conversation, which a split
            keeps on one side.

    Raises:
        DataError: vectors without a direction, or not one vector, text and group for each item.
    """

    def __init__(
        self,
        input: Vectors,
        target: Vectors,
        input_texts: Sequence[str] | None = None,
        target_texts: Sequence[str] | None = None,
        groups: Sequence[Group] | None = None,
    ) -> None:
        name, same = type(self).__name__, target is input
        input, target = (torch.as_tensor(side) if isinstance(side, np.ndarray) else side for side in (input, target))
        self.input = check_vectors(input, f"{name} input")
        self.target = self.input if same else check_vectors(target, f"{name} target")
        if self.input.shape != self.target.shape:
            raise DataError(
                f"{name}: as many targets as inputs, and as wide; got {tuple(self.input.shape)} and "
                f"{tuple(self.target.shape)}."
            )
        for texts in (input_texts, target_texts):
            if texts is not None and len(texts) != len(self.input):
                raise DataError(f"{name}: {len(self.input)} vectors but {len(texts)} texts; one text for each vector.")
        if groups is not None:
            groups = groups.tolist() if hasattr(groups, "tolist") else list(groups)
            wrong = [group for group in groups if not isinstance(group, (Integral, str))]
            if len(groups) != len(self.input) or wrong:
                raise DataError(
                    f"{name}: groups are a number or a name for each of the {len(self.input)} items; got {len(groups)}"
                    + (f", among them {wrong[0]!r:.40}." if wrong else ".")
                )
        self.input_texts = None if input_texts is None else list(input_texts)
        self.target_texts = None if target_texts is None else list(target_texts)
        self.groups = groups

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.input.shape[1]

    def __len__(self) -> int:
        return len(self.input)

    @property
    def sides(self) -> tuple[Vectors, ...]:
        """Every vector of the items: the inputs, and the targets where they differ."""
        return (self.input,) if self.target is self.input else (self.input, self.target)

    @property
    def texts(self) -> tuple[list[str] | None, ...]:
        """The texts of each of the `sides`, or None."""
        return (self.input_texts, self.target_texts)[: len(self.sides)]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self._rows(index)

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """A whole batch at once: what the loop asks for, and DataLoader too; many times faster than one by one."""
        return self._rows(torch.as_tensor(indices))

    def _rows(self, chosen: int | Tensor) -> dict[str, Tensor]:
        input = self.input[chosen]
        return {"input": input, "target": input if self.target is self.input else self.target[chosen]}

    def fingerprint(self) -> str:
        """SHA-256 over all vectors: the same items in the same order, or another fingerprint."""
        digest = hashlib.sha256(f"{(len(self) * len(self.sides), self.dim)}".encode())
        for side in self.sides:
            for block in blocks(side):
                digest.update(block.contiguous().numpy())
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> EmbeddingDataset:
        """The items at `indices`, as a dataset of the same kind; of a VectorFile it is a view."""
        part = object.__new__(type(self))
        part.input = take(self.input, indices)
        part.target = part.input if self.target is self.input else take(self.target, indices)
        chosen = indices.tolist()
        for name in ("input_texts", "target_texts", "groups"):
            values = getattr(self, name)
            setattr(part, name, None if values is None else [values[i] for i in chosen])
        return part

    def __repr__(self) -> str:
        texts = "with texts" if self.input_texts else "without texts"
        groups = "" if self.groups is None else f", {len(set(self.groups)):,} groups"
        return f"{type(self).__name__}({len(self):,} items of {self.dim} numbers, {texts}{groups})"


class AutoencoderDataset(EmbeddingDataset):
    """Vectors that are their own target.

    Args:
        vectors: `(n, dim)`, a tensor or a VectorFile.
        texts: what they were encoded from, or None.
        groups: a number or name for each item, which a split keeps on one side; or None.

    Example:
        >>> dataset = AutoencoderDataset(torch.eye(3))
        >>> dataset, bool((dataset[0]["input"] == dataset[0]["target"]).all())
        (AutoencoderDataset(3 items of 3 numbers, without texts), True)
    """

    def __init__(
        self, vectors: Vectors, texts: Sequence[str] | None = None, groups: Sequence[Group] | None = None
    ) -> None:
        super().__init__(vectors, vectors, texts, texts, groups)

    @classmethod
    def from_texts(
        cls, texts: Sequence[str], encoder: Encoder, groups: Sequence[Group] | None = None
    ) -> AutoencoderDataset:
        """Encodes texts (or finds them in the cache)."""
        return cls(encoder.encode(texts), texts, groups)

    @classmethod
    def from_file(cls, path: Source, encoder: Encoder | None = None, column: str | None = None) -> AutoencoderDataset:
        """The texts of a file, or its vectors.

        Args:
            path: with an encoder, what `cubelib.data.readers.read_texts` reads: .txt, tables, a data set of the hub; without
                one, what `cubelib.data.readers.open_vectors` opens: .npy, .npz, .safetensors, tables of vectors.
            encoder: encodes the texts.
            column: of the texts ("text" if left out), or the name of the array or column of vectors.

        Raises:
            DataError: the file, the column or a row cannot be used; the message names the line.

        Example:
            >>> import tempfile
            >>> import numpy as np
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     np.save(f"{folder}/mine.npy", np.eye(4))
            ...     AutoencoderDataset.from_file(f"{folder}/mine.npy")
            AutoencoderDataset(4 items of 4 numbers, without texts)
        """
        from cubelib.data import readers

        if encoder is None:
            return cls(readers.open_vectors(path, column))
        return cls.from_texts(readers.read_texts(path, column or "text"), encoder)


class DialogueDataset(EmbeddingDataset):
    """Questions and their answers.

    Args:
        questions: `(n, dim)`, a tensor or a VectorFile.
        answers: `(n, dim)`, likewise.
        question_texts: n texts, or None.
        answer_texts: n texts, or None.
        groups: a number or name for each item, which a split keeps on one side; or None.

    Example:
        >>> DialogueDataset(torch.eye(3), torch.eye(3).flip(0))
        DialogueDataset(3 items of 3 numbers, without texts)
    """

    def __init__(
        self,
        questions: Vectors,
        answers: Vectors,
        question_texts: Sequence[str] | None = None,
        answer_texts: Sequence[str] | None = None,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(questions, answers, question_texts, answer_texts, groups)

    @classmethod
    def from_pairs(
        cls, pairs: Sequence[Mapping[str, str]], encoder: Encoder, groups: Sequence[Group] | None = None
    ) -> DialogueDataset:
        """Encodes `{"question", "answer"}` pairs (or finds them in the cache)."""
        for number, pair in enumerate(pairs):
            if not isinstance(pair, Mapping) or not {"question", "answer"} <= set(pair):
                raise DataError(
                    f"DialogueDataset.from_pairs: pair {number} (counted from 0) must look like "
                    f"{{'question': 'Why?', 'answer': 'Because.'}}; got {pair!r:.80}."
                )
        questions, answers = ([pair[side] for pair in pairs] for side in ("question", "answer"))
        vectors = encoder.encode([*questions, *answers])
        return cls(take(vectors, slice(len(pairs))), take(vectors, slice(len(pairs), None)), questions, answers, groups)

    @classmethod
    def from_file(
        cls,
        path: Source,
        encoder: Encoder | None = None,
        question: str = "question",
        answer: str = "answer",
    ) -> DialogueDataset:
        """The questions and answers of a file, or their vectors.

        Args:
            path: with an encoder, a table that `cubelib.data.readers.read_pairs` reads, or a data set of the hub; without
                one, a file of vectors that `cubelib.data.readers.open_vectors` opens.
            encoder: encodes the texts.
            question: the column, or array of vectors, of the questions.
            answer: of the answers.

        Raises:
            DataError: the file, a column or a row cannot be used; the message names the line.

        Example:
            >>> import tempfile
            >>> import numpy as np
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     np.savez(f"{folder}/faq.npz", question=np.eye(4), answer=np.eye(4)[::-1])
            ...     DialogueDataset.from_file(f"{folder}/faq.npz")
            DialogueDataset(4 items of 4 numbers, without texts)
        """
        from cubelib.data import readers

        if encoder is None:
            return cls(readers.open_vectors(path, question), readers.open_vectors(path, answer))
        return cls.from_pairs(readers.read_pairs(path, question, answer), encoder)

    @classmethod
    def from_conversations(
        cls, conversations: Sequence[Sequence[str]], encoder: Encoder, context: int = 1
    ) -> DialogueDataset:
        """Every turn but the first as the answer to what went before; a conversation is a group.

        Args:
            conversations: the turns of each, in order, at least two.
            encoder: encodes the texts (or finds them in the cache).
            context: turns in a question, joined by line breaks; fewer at the beginning of a conversation.

        Raises:
            DataError: a conversation without an answer, a turn without words, or a context below 1.

        Example:
            >>> class Lengths:
            ...     def encode(self, texts):
            ...         return torch.tensor([[1.0, len(text)] for text in texts])
            >>> chats = [["Hello!", "Hi.", "How are you?"], ["Rain?", "No."]]
            >>> dataset = DialogueDataset.from_conversations(chats, Lengths(), context=2)
            >>> dataset
            DialogueDataset(3 items of 2 numbers, with texts, 2 groups)
            >>> dataset.input_texts[1].splitlines(), dataset.target_texts[1], dataset.groups
            (['Hello!', 'Hi.'], 'How are you?', [0, 0, 1])
        """
        if context < 1:
            raise DataError(
                f"DialogueDataset.from_conversations: context is turns in a question, at least 1; got {context}."
            )
        pairs, groups = [], []
        for number, turns in enumerate(conversations):
            if isinstance(turns, str) or len(turns) < 2 or not all(isinstance(t, str) and t.strip() for t in turns):
                raise DataError(
                    f"DialogueDataset.from_conversations: conversation {number} (counted from 0) must be a list of at "
                    f"least two turns with words in them, such as ['Hello!', 'Hi.']; got {turns!r:.80}. Remove it, or "
                    "mend it."
                )
            for turn in range(1, len(turns)):
                pairs.append({"question": "\n".join(turns[max(0, turn - context) : turn]), "answer": turns[turn]})
                groups.append(number)
        if not pairs:
            raise DataError("DialogueDataset.from_conversations: there are no conversations. Give at least one.")
        return cls.from_pairs(pairs, encoder, groups)
