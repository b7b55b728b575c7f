"""What a `TeacherEncoder` warns of: texts that its model does not read to their end, or was not made for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from cubelib.data.text import counted, letter_share, shorten
from cubelib.encoders.models import SCRIPTS_READ, usual_prompts

SAMPLE = 200  # texts whose letters are looked at
LETTERS = 1000  # of each of them
CALLER = 5  # frames from here to the line that called `encode`


class TruncationWarning(UserWarning):
    """Texts are longer than the model reads; the rest of them does not count."""


class PromptWarning(UserWarning):
    """The model is made for a prompt in front of every text, and none is known."""


class ScriptWarning(UserWarning):
    """Texts are in letters that the model was not made for; their vectors say little about their meaning."""


def warn_of_cut_texts(name: str, cut: int, count: int, tokens: int | None, first: str) -> None:
    """Says how many of `count` texts have more tokens than a model reads, and quotes the first."""
    warnings.warn(
        f"{cut:,} of {counted(count, 'different text')} are longer than the {tokens} tokens that {name} reads, such as "
        f"{shorten(first)}. The rest of them does not count; split those texts if it should.",
        TruncationWarning,
        stacklevel=CALLER,
    )


def warn_of_missing_prompts(name: str) -> None:
    """Says it of a model without prompts whose family is made for them."""
    usual = usual_prompts(name)
    if usual is None:
        return
    query, document = usual
    warnings.warn(
        f"{name} is made for {query!r} in front of questions and {document!r} in front of answers, and its files do "
        f"not say so. Set data.query_prompt: {query!r} and data.document_prompt: {document!r} (in Python "
        "TeacherEncoder(query_prompt=..., document_prompt=...)), or both to '' to do without.",
        PromptWarning,
        stacklevel=CALLER,
    )


def warn_of_foreign_scripts(name: str, texts: Sequence[str]) -> None:
    """Says it if most texts are in letters that a model known by name was not made for."""
    scripts = SCRIPTS_READ.get(name)
    if scripts is None:
        return
    sample = texts[:: -(-len(texts) // SAMPLE)]
    shares = [sum(letter_share(text[:LETTERS], script) for script in scripts) for text in sample]
    foreign = [text for text, share in zip(sample, shares, strict=True) if share < 0.5]
    if len(foreign) <= len(sample) / 2:
        return
    warnings.warn(
        f"{name} was made for {', '.join(script.title() for script in scripts)} letters, and most texts have others, "
        f"such as {shorten(foreign[0], 40)}. Such vectors say little about the meaning. Choose an encoder of that "
        "language; docs/data.md names a multilingual one.",
        ScriptWarning,
        stacklevel=CALLER,
    )
