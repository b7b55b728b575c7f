"""Reads your own texts, question → answer pairs, conversations and vectors, from files or the Hugging Face hub.

    read_texts            .txt · a column of .csv .tsv .json .jsonl .ndjson .parquet
    read_pairs            two columns of a table
    read_conversations    chats: what programs export, a conversation in each row, or a turn in each row
    read_turns            the same, with the speaker of each turn
    read_vectors          .npy .npz .safetensors · a column of a table
    open_vectors          the same; what is larger than memory stays in its file
    hub_table             a data set of the Hugging Face hub, as files for the readers above

Every error names the file and the line, and what to do. No row is skipped silently: a row that cannot be used is an
error, or, with `bad_rows="skip"`, counted in one `SkippedRows` warning.

Taught in notebook 07.
"""

from cubelib.data.readers.conversations import Turn, looks_like_chat, read_conversations, read_turns
from cubelib.data.readers.hub_tables import hub_table
from cubelib.data.readers.rows import SkippedRows, SkippedTurns, Source
from cubelib.data.readers.texts import read_pairs, read_texts, text_fault
from cubelib.data.readers.vectors import open_vectors, read_vectors

__all__ = [
    "SkippedRows",
    "SkippedTurns",
    "Source",
    "Turn",
    "hub_table",
    "looks_like_chat",
    "open_vectors",
    "read_conversations",
    "read_pairs",
    "read_texts",
    "read_turns",
    "read_vectors",
    "text_fault",
]
