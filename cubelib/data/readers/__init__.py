"""Reads your own texts, question → answer pairs, conversations and vectors, from files or the Hugging Face hub.

    read_texts            .txt · a column of .csv .tsv .json .jsonl .ndjson .parquet
    read_columns          several columns of texts, row by row
    read_pairs            two columns of a table, or .txt with tabs
    read_conversations    chats: what programs export, a conversation in each row, or a turn in each row
    read_turns            the same, with the speaker of each turn
    read_vectors          .npy .npz .safetensors .pt · a column of a table · numbers as text · answers of APIs
    read_vectors_and_texts  the same, with the texts of the same rows
    open_vectors          the same; what is larger than memory stays in its file
    hub_table             a data set of the Hugging Face hub, as files for the readers above

Every error names the file and the line, and what to do. No row is skipped silently: a row that cannot be used is an
error, or, with `bad_rows="skip"`, counted in one `SkippedRows` warning. How a file is written (delimiter, header,
encoding, JSON layout) is found, and told in a `FormatWarning` if it is unusual; a `Dialect` sets it.

Taught in notebook 07.
"""

from cubelib.data.readers.beside import UnusedColumns
from cubelib.data.readers.chat_turns import Turn
from cubelib.data.readers.conversations import looks_like_chat, read_conversations, read_turns
from cubelib.data.readers.delimited import Dialect
from cubelib.data.readers.hub_tables import hub_table
from cubelib.data.readers.looks import SuspectTexts
from cubelib.data.readers.rows import FormatWarning, SkippedRows, SkippedTurns, Source
from cubelib.data.readers.texts import read_columns, read_pairs, read_texts, text_fault
from cubelib.data.readers.vectors import looks_like_vectors, open_vectors, read_vectors, read_vectors_and_texts

__all__ = [
    "Dialect",
    "FormatWarning",
    "SkippedRows",
    "SkippedTurns",
    "Source",
    "SuspectTexts",
    "Turn",
    "UnusedColumns",
    "hub_table",
    "looks_like_chat",
    "looks_like_vectors",
    "open_vectors",
    "read_columns",
    "read_conversations",
    "read_pairs",
    "read_texts",
    "read_turns",
    "read_vectors",
    "read_vectors_and_texts",
    "text_fault",
]
