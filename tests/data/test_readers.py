"""Readers of texts and pairs: difficult rows come back to the letter, and every bad file is named with its line."""

import csv
import gzip
import io
import json
import os
import re
import sys
import tracemalloc
import warnings
from itertools import count

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cubelib.data.readers import SkippedRows, read_pairs, read_texts
from cubelib.data.readers.looks import look_of
from cubelib.errors import DataError

DIFFICULT = [
    'a, b; "c"', "two\nlines", "three\r\nkinds\rof\nends", "😀🧊", "Привет, мир", "|\u2028|\x0b|\x0c|\x1c|\x85",
    "שלום עולם, مرحبا", "007", "NA", "null", "1e5\tTrue", "'", '""', "{[\\u0041]}",
]  # fmt: skip
PAIRS = [
    {"question": f"{DIFFICULT[i % len(DIFFICULT)]}{i}?", "answer": f"0{i} {DIFFICULT[i // 16 % len(DIFFICULT)]}."}
    for i in range(1000)
]
TABLES = ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.ndjson", "a.parquet", "A.CSV"]
GOOD = b"question,answer\nA?,b\n"


def write_rows(path, rows, *, encoding="utf-8"):
    """Rows of text by the standard library or pyarrow."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=300)
        return path
    text = io.StringIO(newline="")
    if ending in (".csv", ".tsv"):
        writer = csv.DictWriter(text, list(rows[0]), dialect="excel-tab" if ending == ".tsv" else "excel")
        writer.writeheader()
        writer.writerows(rows)
    elif ending == ".json":
        json.dump(rows, text, ensure_ascii=False, indent=1)
    else:
        text.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", TABLES)
def test_a_thousand_difficult_pairs_come_back_to_the_letter(tmp_path, name, encoding):
    path = write_rows(tmp_path / name, PAIRS, encoding=encoding)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pairs(path, bad_rows="skip") == PAIRS
    assert read_texts(path, "answer") == [pair["answer"] for pair in PAIRS]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(str.strip).filter(bool)
SENTENCE = TEXT.filter(lambda text: look_of(text) is None)
# A name of several lines with a delimiter in it may be taken for several names.
NAME = TEXT.filter(lambda name: len(name.splitlines()) == 1 or not set(name) & set(",;|\t"))


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(SENTENCE, min_size=1, max_size=4), name=st.sampled_from(TABLES[:4]), column=NAME)
def test_any_text_comes_back_from_any_column_of_any_table(tmp_path_factory, texts, name, column):
    path = tmp_path_factory.getbasetemp() / name
    rows = [{"other " + column: "x", column: text} for text in texts]
    assert read_texts(write_rows(path, rows), column) == texts


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=60),
    name=st.sampled_from(["a.txt", *TABLES]),
    bad_rows=st.sampled_from(["error", "skip"]),
)
def test_whatever_the_bytes_a_reader_gives_texts_or_a_sentence(tmp_path_factory, content, name, bad_rows):
    path = write(tmp_path_factory.getbasetemp(), name, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkippedRows)
        try:
            assert all(text.strip() for text in read_texts(path, bad_rows=bad_rows))
        except DataError as error:
            assert str(error).startswith(f"Reading {path}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "\ufeff  one \n\n \t\r\ntwo"),
        ("a.txt", "one\rtwo"),
        ("a.json", '["one", "two"]'),
        ("a.json", '{"version": 3, "by": {"name": "me"}, "data": [{"text": "one"}, {"text": "two"}]}'),
        ("a.jsonl", '"one"\n\n"two"\n'),
        ("a.ndjson", '{"text": "one"}\r\n{"text": "two", "id": 5}'),
        ("a.tsv", "\nid\ttext\n1\tone\n\n2\ttwo\n"),
        ("a.csv", "id,text,,\n1, one ,Me,\n2,two,,\n"),
    ],
)
def test_other_ways_to_write_a_list_of_texts(tmp_path, name, content):
    assert read_texts(str(write(tmp_path, name, content))) == ["one", "two"]


def test_several_files_are_one_table(tmp_path):
    files = [write_rows(tmp_path / name, [{"text": name}, {"text": " "}]) for name in ("one.csv", "two.jsonl")]
    with pytest.warns(SkippedRows) as warned:
        assert read_texts(files, bad_rows="skip") == ["one.csv", "two.jsonl"]
    assert warned[0].message.reasons == {"the column 'text' is empty": ["one.csv, line 3", "two.jsonl, line 2"]}
    with pytest.raises(DataError, match="the list of files is empty"):
        read_texts([])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", GOOD + b"C?\n", ", line 3: 1 cell where the header has 2. Put texts with the delimiter or"),
        ("a.csv", GOOD + b'"two\nlines?",b\nC?,d,e\n', ", line 5: 3 cells where the header has 2."),
        ("a.csv", GOOD + b"C?, \n", ", line 3: the column 'answer' is empty. Fill it in, or remove the row."),
        ("a.csv", b"Frage;Antwort\nA, b?;c\n", ", line 1: there is no column 'question'. Columns found: Frage, Antw"),
        ("a.csv", b"questio;answer \nA?;b\n", "Did you mean 'questio'? Name them with question="),
        ("a.csv", b"A cat?,It sleeps.,x\nA?,b,y\n", "'question', and the line seems to hold data, not names: “A cat"),
        ("a.csv", b"question,Answer,ANSWER\nA?,b,c\n", ", line 1: there is no column 'answer'. Columns found: questi"),
        ("a.csv", b"question,answer,answer\nA?,b,c\n", ", line 1: two columns have the same name, 'answer'."),
        ("a.csv", b'question,answer\nA?,b\nB?,"c\nD?,e\n', ", line 3: a quotation that does not close. Close every"),
        ("a.csv", b"question,answer\n", ": the file holds no pairs. Put a question and its answer in each row."),
        ("a.csv", b"", ": the file is empty (0 bytes)."),
        ("a.csv", "ä?,ö\n".encode() * 9 + b"C\xe9?,d\n", ", line 10: a letter that is not valid UTF-8, in a file tha"),
        ("a.csv", GOOD + b"\0" * 99, ", line 3: a NUL byte. The file is damaged, or no text. Save it again as UTF-8"),
        ("a.csv", GOOD * 90_000 + b"C\0?,d\n", ", line 180001: a NUL byte"),
        ("a.csv", "question,answer\n".encode("utf-16"), ": the file holds no pairs"),
        ("a.csv.gz", gzip.compress(GOOD * 99)[:-9], ": Compressed file ended before the end-of-stream marker was"),
        ("a.xlsx", b"PK", ": pairs come from .csv, .tsv, .json, .jsonl, .ndjson, .parquet or .txt files; text files m"),
        ("a.jsonl", b'{"question": "A?", "answer": "b"}\n{"question"', ", line 2: not valid JSON (Expecting ':' delim"),
        ("a.jsonl", b'\n["A?"]\n"b"', ", line 2, row 1: expected an object, such as {\"question\": …, \"an"),
        ("a.jsonl", b'{"question": "A?", "answer": 5}', ", line 1: the column 'answer' holds a number where text is"),
        ("a.jsonl", b'{"question": "A?", "answer": null}', "the column 'answer' holds null. Fill it in"),
        ("a.jsonl", b'{"question": "A\\ud83d?", "answer": "b"}', "the column 'question' holds half a character"),
        ("a.jsonl", b'{"a": {"c": 1, "c": 2}}', ", line 1: not valid JSON (the key 'c' occurs twice in an object)."),
        ("a.jsonl", b"[" * 100_000, ", line 1: not valid JSON ("),
        ("a.json", b'[\n{"question": "A?", "answer": "b"}\n{}]', ": not valid JSON (Expecting ',' delimiter: line 3 c"),
        ("a.json", b'{"a": [{"question": "A?", "answer": "b"}], "c": [{"question": "A?", "answer": "b"}]}', ": severa"),
        ("a.json", b'{"x": 1, "train": [{}], "test": []}', ", line 1: there is no column 'question'. Columns found: x"),
        ("a.json", b'{"messages": []}', "Columns found: messages. If these are conversations, set content: conversati"),
        ("a.json", b'[\n\n"A?"]', ", row 1: expected an object, such as"),
        ("a.parquet", b"PAR1 and no more", ": not a complete Parquet file ("),
    ],
    ids=count(),
)  # fmt: skip
def test_bad_files_are_named_with_the_line(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        read_pairs(path)
    assert str(raised.value).startswith(f"Reading {path}")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a", None]}, ", row 2: the column 'text' holds null."),
        ({"text": [b"a"]}, ", row 1: the column 'text' holds a value of type bytes where text is expected."),
    ],
)
def test_bad_parquet_rows_are_named(tmp_path, columns, message):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}{message}")):
        read_texts(path)


def test_paths_that_are_no_readable_files_are_named(tmp_path, monkeypatch):
    write(tmp_path, "pairs.csv", GOOD)
    for name, message in [
        ("pear.csv", f"there is no such file in {tmp_path}. Did you mean 'pairs.csv'? Give the path of a readable"),
        ("no/pairs.csv", f"there is no such file in {tmp_path / 'no'}. Give the path"),
        ("", "this is a folder. Give the path of one file."),
    ]:
        with pytest.raises(DataError, match=re.escape(f"Reading {tmp_path / name}: {message}")):
            read_pairs(tmp_path / name)

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    with pytest.raises(DataError, match=r"Permission denied\. Give the path of a readable, complete file"):
        read_pairs(tmp_path / "pairs.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_table_is_read_row_by_row(tmp_path, name):
    """What is not asked for is not held: 20 MB of another column leave no trace."""
    path = write_rows(tmp_path / name, [{"text": "short", "other": os.urandom(10_000).hex()} for _ in range(1_000)])
    tracemalloc.start()
    assert len(read_texts(path)) == 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 5_000_000 > peak


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path):
    rows = ["question,answer", "A?,b", "B?", '"two', 'lines?",', "C?,d", "H?,i,j", "K?, ", "L?,m"]
    path = write(tmp_path, "a.csv", "\n".join(rows))
    with pytest.warns(SkippedRows) as warned:
        pairs = read_pairs(path, bad_rows="skip")
    assert [pair["question"] for pair in pairs] == ["A?", "C?", "L?"]
    assert len(warned) == 1 and warned[0].filename == __file__
    message = warned[0].message
    assert (message.count, message.total) == (4, 7)
    assert message.reasons == {
        "1 cell where the header has 2": ["line 3"],
        "the column 'answer' is empty": ["line 4", "line 8"],
        "3 cells where the header has 2": ["line 7"],
    }
    assert str(message).startswith(f"Reading {path}: 4 of 7 rows are left out: 1 cell where the header has 2 (line 3)")


@pytest.mark.parametrize(
    ("name", "content", "count", "total"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text"\n[]\n{"txt": "b"}\n\n{"text": 1}\n{"text": 1, "text": 2}\n"e"', 5, 7),
        ("a.json", '[{"text": "a"}, [], {"txt": "b"}, {"text": 1}, "e"]', 3, 5),
    ],
)
def test_bad_json_rows_can_be_left_out(tmp_path, name, content, count, total):
    with pytest.warns(SkippedRows) as warned:
        assert read_texts(write(tmp_path, name, content), bad_rows="skip") == ["a", "e"]
    assert (warned[0].message.count, warned[0].message.total) == (count, total)


@pytest.mark.parametrize(
    "content",
    [b"text\n \n\t\n", b"text\na,b\nc,d\n", b"txt\na\n", b'text\n"a\n', b"text\n\0\n", b"text,text\na"],
)
def test_a_file_of_which_nothing_can_be_used_is_an_error_all_the_same(tmp_path, content):
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}")):
        read_texts(path, bad_rows="skip")


def test_bad_rows_are_an_error_or_skipped(tmp_path):
    with pytest.raises(DataError, match="bad_rows is 'error' or 'skip'; got 'ignore'"):
        read_texts(write(tmp_path, "a.txt", "a"), bad_rows="ignore")
    with pytest.raises(DataError, match=re.escape('Or leave such rows out with bad_rows="skip" (data.bad_rows')):
        read_texts(write(tmp_path, "a.csv", b"text\n \n"))


def test_a_missing_parquet_library_is_named_with_the_command(tmp_path, monkeypatch):
    path = write_rows(tmp_path / "a.parquet", PAIRS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"a\.parquet: .* Install it with: python -m pip install pyarrow"):
        read_pairs(path)
