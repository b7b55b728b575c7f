"""Datasets of embeddings, in memory or in a file.

    AutoencoderDataset    input = target
    DialogueDataset       question → answer

Both are `torch.utils.data.Dataset`s of `{"input", "target"}` and keep the texts, so that a report can quote them.
`cubelib.data.splits` divides them without leaks, `cubelib.data.filters` removes items.

Taught in notebook 05.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from numbers import Integral
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from cubelib.data import readers
from cubelib.data.readers.rows import BadRows
from cubelib.data.vectors import Array, VectorFile, blocks, check_vectors, take
from cubelib.errors import DataError

Vectors = Tensor | VectorFile
Group = int | str


class Encoder(Protocol):
    """Turns texts into vectors: a `TeacherEncoder`, or anything with its `encode`."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """`(n, dim)`, a vector for each text."""
        ...


def encode_as(encoder: Encoder, texts: Sequence[str], role: str) -> Tensor:
    """Vectors of texts as a "query" or "document", where the encoder tells them apart, `(n, dim)`."""
    encode: Callable[[Sequence[str]], Tensor] = getattr(encoder, f"encode_{role}", encoder.encode)
    return encode(texts)


class EmbeddingDataset(Dataset[dict[str, Tensor]]):
    """Pairs of vectors, with their texts if there are any.

    Args:
        input: `(n, dim)`, a tensor, a NumPy array or a VectorFile, whose rows are read when a batch needs them.
        target: `(n, dim)`, of the same kinds; a DialogueDataset's answers may have another width.
        input_texts: n texts, or None.
        target_texts: n texts, or None.
        groups: a number or name for each item, such as its customer or conversation; a split keeps a group on one side.
            None: every item is independent.

    Raises:
        DataError: vectors without a direction, or not one vector, text and group for each item.
    """

    negatives: Vectors | None = None  # (m, target_dim), hard negatives of all items
    negative_rows: list[list[int]] | None = None  # which of them belong to each item

    def __init__(
        self,
        input: Vectors | Array,
        target: Vectors | Array,
        input_texts: Sequence[str] | None = None,
        target_texts: Sequence[str] | None = None,
        groups: Sequence[Group] | None = None,
    ) -> None:
        name = type(self).__name__
        self.input = _vectors(input, f"{name} input")
        self.target = self.input if target is input else _vectors(target, f"{name} target")
        if len(self.input) != len(self.target):
            raise DataError(
                f"{name}: each input needs its target; got {len(self.input):,} inputs and {len(self.target):,} targets."
            )
        for texts in (input_texts, target_texts):
            if texts is not None and len(texts) != len(self):
                raise DataError(f"{name}: {len(self)} vectors but {len(texts)} texts; give one text for each vector.")
        self.input_texts = None if input_texts is None else list(input_texts)
        self.target_texts = None if target_texts is None else list(target_texts)
        self.groups = None if groups is None else _checked_groups(groups, len(self), name)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self.input.shape[1]

    @property
    def target_dim(self) -> int:
        """Numbers in a target: `dim`, unless another encoder made the answers."""
        return self.target.shape[1]

    def __len__(self) -> int:
        return len(self.input)

    @property
    def sides(self) -> tuple[Vectors, ...]:
        """All vectors of the items: the inputs, and the targets if they differ."""
        return (self.input,) if self.target is self.input else (self.input, self.target)

    @property
    def texts(self) -> tuple[list[str] | None, ...]:
        """The texts of each of the `sides`, or None."""
        return (self.input_texts, self.target_texts)[: len(self.sides)]

    def __getitem__(self, index: int | Tensor) -> dict[str, Tensor]:
        input = self.input[index]
        return {"input": input, "target": input if self.target is self.input else self.target[index]}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """A whole batch at once, as DataLoader and the training loop ask for it; much faster than item by item."""
        return self[torch.as_tensor(indices)]

    def negatives_of(self, rows: Tensor) -> Vectors | None:
        """The hard negatives of some items, `(k, target_dim)`; None if no item has any."""
        if self.negatives is None or self.negative_rows is None:
            return None
        chosen = chain.from_iterable(self.negative_rows[row] for row in rows.tolist())
        return take(self.negatives, torch.tensor(list(chosen), dtype=torch.long))

    def fingerprint(self) -> str:
        """SHA-256 over all vectors: equal for the same items in the same order."""
        digest = hashlib.sha256(f"{(len(self) * len(self.sides), self.dim)}".encode())
        negatives = self.negatives_of(torch.arange(len(self)))
        for side in self.sides if negatives is None else (*self.sides, negatives):
            for block in blocks(side):
                digest.update(block.contiguous().numpy().data)
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> EmbeddingDataset:
        """The items at `indices`, as a dataset of the same kind; of a VectorFile it is a view."""
        subset = object.__new__(type(self))
        subset.input = take(self.input, indices)
        subset.target = subset.input if self.target is self.input else take(self.target, indices)
        chosen = indices.tolist()
        subset.negatives = self.negatives
        for name in ("input_texts", "target_texts", "groups", "negative_rows"):
            values = getattr(self, name)
            setattr(subset, name, None if values is None else [values[index] for index in chosen])
        return subset

    def __repr__(self) -> str:
        texts = "with texts" if self.input_texts else "without texts"
        groups = "" if self.groups is None else f", {len(set(self.groups)):,} groups"
        groups += "" if self.negative_rows is None else f", {sum(map(len, self.negative_rows)):,} hard negatives"
        numbers = f"{self.dim}" if self.dim == self.target_dim else f"{self.dim} → {self.target_dim}"
        return f"{type(self).__name__}({len(self):,} items of {numbers} numbers, {texts}{groups})"


class AutoencoderDataset(EmbeddingDataset):
    """Vectors that are their own target.

    Args:
        vectors: `(n, dim)`, a tensor, a NumPy array or a VectorFile.
        texts: what they were encoded from, or None.
        groups: a number or name for each item, which a split keeps on one side; or None.

    Example:
        >>> dataset = AutoencoderDataset(torch.eye(3))
        >>> dataset, bool((dataset[0]["input"] == dataset[0]["target"]).all())
        (AutoencoderDataset(3 items of 3 numbers, without texts), True)
    """

    def __init__(
        self,
        vectors: Vectors | Array,
        texts: Sequence[str] | None = None,
        groups: Sequence[Group] | None = None,
    ) -> None:
        super().__init__(vectors, vectors, texts, texts, groups)

    @classmethod
    def from_texts(
        cls, texts: Sequence[str], encoder: Encoder, groups: Sequence[Group] | None = None
    ) -> AutoencoderDataset:
        """Encodes texts (or finds them in the cache), as the documents that they are to a model with prompts."""
        return cls(encode_as(encoder, texts, "document"), texts, groups)

    @classmethod
    def from_file(
        cls, path: readers.Source, encoder: Encoder | None = None, column: str | None = None
    ) -> AutoencoderDataset:
        """The texts of a file, or its vectors.

        Args:
            path: with an encoder, what `readers.read_texts` reads: .txt, tables, a data set of the hub; without one,
                what `readers.open_vectors` opens: .npy, .npz, .safetensors, tables of vectors.
            encoder: encodes the texts.
            column: of the texts (by default "text"), or the name of the array or column of vectors.

        Raises:
            DataError: the file, the column or a row cannot be used; the message names the line.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     np.save(f"{folder}/mine.npy", np.eye(4))
            ...     AutoencoderDataset.from_file(f"{folder}/mine.npy")
            AutoencoderDataset(4 items of 4 numbers, without texts)
        """
        if encoder is None:
            return cls(readers.open_vectors(path, column))
        return cls.from_texts(readers.read_texts(path, column or "text"), encoder)


class DialogueDataset(EmbeddingDataset):
    """Questions and their answers.

    Args:
        questions: `(n, dim)`, a tensor, a NumPy array or a VectorFile.
        answers: `(n, target_dim)`, of the same kinds; another width if another encoder made them.
        question_texts: n texts, or None.
        answer_texts: n texts, or None.
        groups: a number or name for each item, which a split keeps on one side; or None.
        negatives: hard negatives, `(m, target_dim)`: answers that are wrong although they look right. A contrastive
            loss tells the right answer from them too.
        negative_rows: for each item which of the negatives are its own.

    Example:
        >>> DialogueDataset(torch.eye(3), torch.eye(3).flip(0))
        DialogueDataset(3 items of 3 numbers, without texts)
        >>> DialogueDataset(torch.eye(2), torch.eye(2), negatives=torch.ones(2, 2), negative_rows=[[0, 1], []])
        DialogueDataset(2 items of 2 numbers, without texts, 2 hard negatives)
    """

    def __init__(
        self,
        questions: Vectors | Array,
        answers: Vectors | Array,
        question_texts: Sequence[str] | None = None,
        answer_texts: Sequence[str] | None = None,
        groups: Sequence[Group] | None = None,
        negatives: Vectors | Array | None = None,
        negative_rows: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__(questions, answers, question_texts, answer_texts, groups)
        if negatives is None:
            return
        self.negatives = _vectors(negatives, "DialogueDataset negatives")
        self.negative_rows = [list(rows) for rows in negative_rows or []]
        used = set(chain.from_iterable(self.negative_rows))
        if len(self.negative_rows) != len(self) or not used <= set(range(len(self.negatives))):
            raise DataError(
                f"DialogueDataset: negative_rows has a list of rows of the {len(self.negatives):,} negatives for each "
                f"of the {len(self):,} items; got {len(self.negative_rows):,} lists. Give an empty list for none."
            )
        if self.negatives.shape[1] != self.target_dim:
            widths = f"{self.target_dim} numbers; got {self.negatives.shape[1]}"
            raise DataError(f"DialogueDataset: negatives are as wide as answers, {widths}. Encode both alike.")

    @classmethod
    def from_pairs(
        cls, pairs: Sequence[Mapping[str, Any]], encoder: Encoder, groups: Sequence[Group] | None = None
    ) -> DialogueDataset:
        """Encodes `{"question", "answer"}` pairs (or finds them in the cache), which may have "negatives", a list.

        A model with prompts for queries and documents gets questions as the one, answers and negatives as the other.
        """
        for number, pair in enumerate(pairs):
            if not isinstance(pair, Mapping) or not {"question", "answer"} <= set(pair):
                raise DataError(
                    f"DialogueDataset.from_pairs: pair {number} (counted from 0) must look like "
                    f"{{'question': 'Why?', 'answer': 'Because.'}}; got {pair!r:.80}."
                )
        questions = [pair["question"] for pair in pairs]
        answers = [pair["answer"] for pair in pairs]
        counts = [len(pair.get("negatives", [])) for pair in pairs]
        wrong = list(chain.from_iterable(pair.get("negatives", []) for pair in pairs))
        if getattr(encoder, "is_asymmetric", False):
            asked, found = encode_as(encoder, questions, "query"), encode_as(encoder, answers + wrong, "document")
        else:
            vectors = encoder.encode(questions + answers + wrong)
            asked, found = vectors[: len(pairs)], vectors[len(pairs) :]
        if not wrong:
            return cls(asked, found, questions, answers, groups)
        rows = torch.arange(len(wrong)).split(counts)
        return cls(
            asked,
            found[: len(pairs)],
            questions,
            answers,
            groups,
            negatives=found[len(pairs) :],
            negative_rows=[some.tolist() for some in rows],
        )

    @classmethod
    def from_file(
        cls,
        path: readers.Source,
        encoder: Encoder | None = None,
        question: str = "question",
        answer: str = "answer",
        bad_rows: BadRows = "error",
    ) -> DialogueDataset:
        """The questions and answers of a file, or their vectors.

        Args:
            path: with an encoder, a table that `readers.read_pairs` reads, or a data set of the hub; without one, a
                file of vectors that `readers.open_vectors` opens.
            encoder: encodes the texts.
            question: the column, or array of vectors, with the questions.
            answer: the column, or array of vectors, with the answers.
            bad_rows: "error" raises at the first row of a table that cannot be used, "skip" leaves such rows out.

        Raises:
            DataError: the file, a column or a row cannot be used; the message names the line.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     np.savez(f"{folder}/faq.npz", question=np.eye(4), answer=np.eye(4)[::-1])
            ...     DialogueDataset.from_file(f"{folder}/faq.npz")
            DialogueDataset(4 items of 4 numbers, without texts)
        """
        if encoder is None:
            return cls(readers.open_vectors(path, question), readers.open_vectors(path, answer))
        return cls.from_pairs(readers.read_pairs(path, question, answer, bad_rows=bad_rows), encoder)

    @classmethod
    def from_conversations(
        cls,
        conversations: Sequence[Sequence[str | readers.Turn]],
        encoder: Encoder,
        context: int = 1,
        answer_role: str | None = None,
    ) -> DialogueDataset:
        """Every turn but the first, as the answer to the turns before it; a conversation is a group.

        Args:
            conversations: the turns of each, in order, at least two: texts, or what `readers.read_turns` gives.
            encoder: encodes the texts (or finds them in the cache).
            context: turns in a question, joined by line breaks; fewer at the beginning of a conversation.
            answer_role: only turns of this role are answers, such as "assistant"; None: all but the first are.

        Raises:
            DataError: fewer than two turns, a turn without words, a context below 1, or a role that answers nothing.

        Example:
            >>> class Lengths:
            ...     def encode(self, texts):
            ...         return torch.tensor([[1.0, len(text)] for text in texts])
            >>> chats = [["Hello!", "Hi.", "How are you?"], ["Rain?", "No."]]
            >>> dataset = DialogueDataset.from_conversations(chats, Lengths(), context=2)  # 3 items, 2 groups
            >>> dataset.input_texts[1].splitlines(), dataset.target_texts[1], dataset.groups
            (['Hello!', 'Hi.'], 'How are you?', [0, 0, 1])
        """
        if context < 1:
            raise DataError(f"DialogueDataset.from_conversations: context must be at least 1 turn; got {context}.")
        if not conversations:
            raise DataError("DialogueDataset.from_conversations: there are no conversations. Give at least one.")
        pairs, groups, roles = [], [], set()
        for number, conversation in enumerate(conversations):
            turns = [] if isinstance(conversation, str) else [_as_turn(turn) for turn in conversation]
            if len(turns) < 2 or not all(_has_words(turn.text) for turn in turns):
                raise DataError(
                    f"DialogueDataset.from_conversations: conversation {number} (counted from 0) must be a list of at "
                    f"least two turns with words in them, such as ['Hello!', 'Hi.']; got {conversation!r:.80}."
                )
            for place in range(1, len(turns)):
                roles.add(turns[place].role)
                if answer_role in (None, turns[place].role):
                    before = [turn.text for turn in turns[max(0, place - context) : place]]
                    pairs.append({"question": "\n".join(before), "answer": turns[place].text})
                    groups.append(number)
        if not pairs:
            raise DataError(
                f"DialogueDataset.from_conversations: no turn of the role {answer_role!r} answers another. Roles "
                f"found: {', '.join(sorted(map(str, roles)))}. Set answer_role (data.answer_role) to one of them."
            )
        return cls.from_pairs(pairs, encoder, groups)


def _vectors(vectors: Vectors | Array, origin: str) -> Vectors:
    return check_vectors(torch.as_tensor(vectors) if isinstance(vectors, np.ndarray) else vectors, origin)


def _checked_groups(groups: Any, count: int, name: str) -> list[Group]:
    values: list[Group] = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    wrong = [value for value in values if not isinstance(value, Integral | str)]
    if len(values) != count or wrong:
        culprit = f", among them {wrong[0]!r:.40}" if wrong else ""
        raise DataError(
            f"{name}: groups are a number or a name for each of the {count} items; got {len(values)}{culprit}."
        )
    return values


def _as_turn(turn: Any) -> readers.Turn:
    return turn if isinstance(turn, readers.Turn) else readers.Turn(None, turn)


def _has_words(turn: object) -> bool:
    return isinstance(turn, str) and bool(turn.strip())
