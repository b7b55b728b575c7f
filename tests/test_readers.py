"""Readers: a thousand difficult rows come back to the letter, and every bad file is named with its line."""

import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cubelib.errors import DataError
from cubelib.readers import read_pairs, read_sentences, read_vectors

DIFFICULT = [
    'a, b; "c"',
    "two\nlines",
    "three\r\nkinds\rof\nends",
    "😀🧊",
    "Привет, мир",
    "|\u2028|\x0b|\x0c|\x1c|\x85",
    "'",
    '""',
]
PAIRS = [{"question": f"{DIFFICULT[i % 8]} {i}?", "answer": f"{i} {DIFFICULT[i // 8 % 8]}."} for i in range(1000)]


def write_pairs(path, pairs, *, encoding="utf-8"):
    text = io.StringIO(newline="")
    if path.suffix == ".csv":
        writer = csv.DictWriter(text, ["question", "answer"])
        writer.writeheader()
        writer.writerows(pairs)
    else:
        text.writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl", "PAIRS.CSV"])
def test_a_thousand_difficult_pairs_come_back_to_the_letter(tmp_path, name, encoding):
    path = write_pairs(tmp_path / name.lower(), PAIRS, encoding=encoding).rename(tmp_path / name)
    assert read_pairs(path) == PAIRS


@settings(max_examples=50)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip).map(str.strip),
        min_size=1,
        max_size=4,
    )
)
def test_any_text_comes_back_from_csv_and_jsonl(tmp_path_factory, texts):
    pairs = [{"question": text, "answer": text[::-1].strip()} for text in texts]
    for ending in (".csv", ".jsonl"):
        path = tmp_path_factory.getbasetemp() / f"any{ending}"
        assert read_pairs(write_pairs(path, pairs)) == pairs


def test_columns_may_have_other_names_and_company(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("id,вопрос,A\n1, Who? ,Me\n", encoding="utf-8")
    assert read_pairs(path, "вопрос", "A") == [{"question": "Who?", "answer": "Me"}]


def test_sentences_are_lines_without_blank_ones(tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_bytes("\ufeff  one, \n\n \t\r\nПривет 😀\rwith \u2028 and \x0b inside\r\nlast".encode())
    assert read_sentences(path) == ["one,", "Привет 😀", "with \u2028 and \x0b inside", "last"]


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int64"])
def test_vectors_of_any_real_type_come_back_as_float32(tmp_path, dtype):
    values = np.arange(1, 13).reshape(3, 4).astype(dtype)
    np.save(tmp_path / "v.npy", np.asfortranarray(values))
    vectors = read_vectors(tmp_path / "v.npy", 4)
    assert vectors.dtype == torch.float32
    assert vectors.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"question,answer\nOne?\n", "line 2: 1 cells where the header has 2. Put texts with commas"),
        ("a.csv", b"question,answer\nOne?,two,three,four\n", "line 2: 4 cells where the header has 2."),
        ("a.csv", b"question,answer\nA?,b\nB?, \n", "line 3: the column 'answer' holds ' '; expected text. Fill it in"),
        ("a.csv", b"question;answer\nA?;b\n", "line 2: there is no column 'question'. Columns found: question;answer."),
        ("a.csv", b"question,reply\nA?,b\n", "there is no column 'answer'. Columns found: question, reply. Set data."),
        ("a.csv", b"question,answer,answer\nA?,b,c\n", "two columns have the same name: question, answer, answer."),
        ("a.csv", b'question,answer\nA?,"b\n', "not valid CSV (unexpected end of data)."),
        ("a.csv", b'question,answer\n"A" b?,c\n', "line 2: not valid CSV"),
        ("a.csv", b"question,answer\n", "the file holds no pairs."),
        ("a.csv", b"", "the file holds no pairs."),
        (
            "a.csv",
            b"question,answer\nA\xe9?,b\n",
            "byte 17 is not UTF-8 text. Save the file as UTF-8 (for example: iconv",
        ),
        ("a.csv", "question,answer\nA?,b\n".encode("utf-16"), "byte 0 is not UTF-8 text"),
        (
            "a.jsonl",
            b'{"question": "A?", "answer": "b"}\n{"question"',
            "line 2: not valid JSON (Expecting ':' delimiter).",
        ),
        ("a.jsonl", b'\n["A?", "b"]', "line 2: expected an object such as"),
        ("a.jsonl", b'{"question": "A?", "answer": 5}', "line 1: the column 'answer' holds 5; expected text."),
        ("a.jsonl", b'{"question": "A?", "answer": null}', "the column 'answer' holds None; expected text."),
        ("a.jsonl", b"{}", "there is no column 'question'. Columns found: none."),
        ("a.jsonl", b"\n\n", "the file holds no pairs."),
        ("a.txt", b"A?\tb", "pairs come from .csv or .jsonl files. Convert the file, or rename it."),
        ("a.xlsx", b"PK", "pairs come from .csv or .jsonl files."),
    ],
)
def test_bad_pairs_are_named_with_file_and_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        read_pairs(path)
    assert str(raised.value).startswith(f"Reading {path}")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file holds no text. Put one sentence on each line."),
        (b"\xef\xbb\xbf \n\t\r\n", "the file holds no text."),
        ("caf\u00e9".encode("latin-1"), "byte 3 is not UTF-8 text. Save the file as UTF-8"),
    ],
)
def test_bad_sentence_files_are_named(tmp_path, content, message):
    path = tmp_path / "sentences.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}: {message}")):
        read_sentences(path)


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, vectors=np.ones((2, 4)))
    return file.getvalue()


GOOD = np.ones((3, 4), dtype=np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(np.ones((3, 5))), "found an array of float64, shape (3, 5); expected real numbers, shape (n, 4). Set "),
        (npy(np.ones(4)), "found an array of float64, shape (4,)"),
        (npy(np.ones((3, 4), dtype=complex)), "found an array of complex128"),
        (npy(np.ones((3, 4), dtype=bool)), "found an array of bool"),
        (npy(np.full((3, 4), "a")), "found an array of <U1"),
        (npy(np.array([[None] * 4])), "not a complete .npy array of numbers (Object arrays cannot be loaded"),
        (npy(np.ones((0, 4))), "vectors must be (n, dim) with n at least 1; got shape (0, 4)."),
        (npy(np.where(np.eye(3, 4) > 0, np.nan, 1)), "3 of 3 vectors hold NaN or infinite numbers, the first is"),
        (npy(np.array([[1.0] * 4, [1e300] * 4])), "1 of 2 vectors hold NaN or infinite numbers, the first is number 1"),
        (npy(np.eye(5)[:, :4]), "1 of 5 vectors hold nothing but zeros, the first is number 4 (counted from 0)."),
        (npz(), "not a complete .npy array of numbers (the magic string is not correct"),
        (npz()[:40], "not a complete .npy array of numbers"),
        (b"1.0, 2.0", "not a complete .npy array of numbers"),
        *((npy(GOOD)[:length], "not a complete .npy array of numbers") for length in (0, 5, 9, 60, 128, 130, 175)),
    ],
)
def test_bad_vectors_are_named(tmp_path, content, message):
    path = tmp_path / "v.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}: {message}")):
        read_vectors(path, 4)


@pytest.mark.parametrize("read", [read_sentences, lambda path: read_vectors(path, 4)])
@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, read, name, reason):
    with pytest.raises(DataError, match=re.escape(f"Reading {tmp_path / name}: {reason}. Give the path of")):
        read(tmp_path / name)
