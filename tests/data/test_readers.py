"""Readers of texts and pairs: difficult rows come back to the letter, and every bad file is named with its line."""

import csv
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

from cubelib.data.readers import SkippedRows, json_rows, read_pairs, read_texts
from cubelib.errors import DataError

DIFFICULT = [
    'a, b; "c"',
    "two\nlines",
    "three\r\nkinds\rof\nends",
    "😀🧊",
    "Привет, мир",
    "|\u2028|\x0b|\x0c|\x1c|\x85",
    "שלום עולם, مرحبا",
    "007",
    "NA",
    "null",
    "1e5\tTrue",
    "'",
    '""',
    "{[\\u0041]}",
]
PAIRS = [
    {"question": f"{DIFFICULT[i % len(DIFFICULT)]}{i}?", "answer": f"0{i} {DIFFICULT[i // 16 % len(DIFFICULT)]}."}
    for i in range(1000)
]
TABLES = ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.ndjson", "a.parquet", "A.CSV"]


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
    assert read_pairs(path) == PAIRS
    assert read_texts(path, "answer") == [pair["answer"] for pair in PAIRS]


def test_a_thousand_difficult_lines_come_back_to_the_letter(tmp_path):
    texts = [text for pair in PAIRS for text in pair.values() if "\n" not in text and "\r" not in text]
    assert len(texts) > 1000
    assert read_texts(write(tmp_path, "a.txt", "\n".join(texts))) == texts


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip).map(str.strip)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=4), name=st.sampled_from(TABLES[:4]), column=TEXT)
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


def test_columns_may_have_other_names_and_company(tmp_path):
    path = write(tmp_path, "pairs.csv", "id,вопрос,A,,\n1, Who? ,Me,,\n")
    assert read_pairs(path, "вопрос", "A") == [{"question": "Who?", "answer": "Me"}]
    assert read_texts(str(path), column="A") == ["Me"]


def test_lines_are_texts_without_blank_ones(tmp_path):
    content = "\ufeff  one, \n\n \t\r\nПривет 😀\rwith \u2028 and \x0b inside\r\nlast"
    path = write(tmp_path, "sentences.txt", content)
    assert read_texts(path) == ["one,", "Привет 😀", "with \u2028 and \x0b inside", "last"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '["one", "two"]'),
        ("a.json", '{"version": 3, "by": {"name": "me"}, "data": [{"text": "one"}, {"text": "two"}]}'),
        ("a.jsonl", '"one"\n\n"two"\n'),
        ("a.ndjson", '{"text": "one"}\r\n{"text": "two", "id": 5}'),
        ("a.tsv", "id\ttext\n1\tone\n\n2\ttwo\n"),
    ],
)
def test_other_ways_to_write_a_list_of_texts(tmp_path, name, content):
    assert read_texts(write(tmp_path, name, content)) == ["one", "two"]


def test_several_files_are_one_table(tmp_path):
    names = ["one.csv", "two.jsonl"]
    files = [write_rows(tmp_path / name, [{"text": name}, {"text": " "}]) for name in names]
    with pytest.warns(SkippedRows) as warned:
        assert read_texts(files, bad_rows="skip") == names
    assert warned[0].message.reasons == {"the column 'text' is empty": ["one.csv, line 3", "two.jsonl, line 2"]}
    with pytest.raises(DataError, match=re.escape("the list of files is empty")):
        read_texts([])


@pytest.mark.parametrize("start", ["utf-8", "utf-8-sig"])
def test_a_large_cell_comes_back_and_the_csv_module_is_left_as_it_was(tmp_path, start):
    csv.field_size_limit(131_072)
    path = write_rows(tmp_path / "a.csv", [{"text": "ab " * 200_000 + "c"}], encoding=start)
    assert len(read_texts(path)[0]) == 600_001
    assert csv.field_size_limit() == 131_072


UTF16 = "question,answer\nA?,b\n".encode("utf-16")
GOOD = b"question,answer\nA?,b\n"
DEEP = b"[" * 100_000
BAD = [
    # (name, content, message after "Reading <path>")
    ("a.csv", b"question,answer\nOne?\n", ", line 2: 1 cell where the header has 2. Put texts with commas"),
    ("a.csv", b"question,answer\nOne?,two,three,four\n", ", line 2: 4 cells where the header has 2."),
    ("a.csv", b'question,answer\n"A\nB?",c\nD?\n', ", line 4: 1 cell where"),
    ("a.csv", b'question,answer\n"A\nB\n\nC?",\n', ", line 2: the column 'answer' is empty. Fill it in, or remove"),
    ("a.csv", b"question,answer\nA?,b\nB?, \n", ", line 3: the column 'answer' is empty."),
    ("a.csv", b"question;answer\nA, b?;c\n", ", line 1: there is no column 'question'. Columns found: question;answer"),
    ("a.csv", b"question;answer\nA?;b\n", "divided by semicolons. Save the file with commas."),
    ("a.csv", b"question\tanswer\nA?\tb\n", "divided by tabs. Save the file with commas, or rename it to .tsv."),
    ("a.csv", b"question,reply\nA?,b\n", ", line 1: there is no column 'answer'. Columns found: question, reply. Name"),
    ("a.csv", b"\nQuestion,answer\nA?,b\n", ", line 2: there is no column 'question'. Columns found: Question, answer"),
    ("a.csv", b"Question,answer\nA?,b\n", "answer. Did you mean 'Question'? Name them with question="),
    ("a.csv", b"question,answer,answer\nA?,b,c\n", ", line 1: two columns have the same name, 'answer'."),
    ("a.csv", b'question,answer\nA?,b\nB?,"c\nD?,e\nF?,g\n', ", line 3: not valid CSV (unexpected end of data, notice"),
    ("a.csv", b'question,answer\nA?,"b\n', ", line 2: not valid CSV (unexpected end of data"),
    ("a.csv", b'question,answer\n"A" b?,c\n', ", line 2: not valid CSV (',' expected after '\"')"),
    ("a.csv", b'"question,answer\nA?,b\n', ", line 1: not valid CSV (unexpected end of data, noticed on line 2)"),
    ("a.csv", GOOD + b'C?,"' + b"d\n" * 600_000, ", line 3: not valid CSV (field larger than field limit (1000000)"),
    ("a.csv", b"question,answer\n", ": the file holds no pairs. Put a question and its answer in each row."),
    ("a.csv", b"\n\n", ": the file holds no pairs."),
    ("a.csv", b"", ": the file is empty (0 bytes)."),
    ("a.csv", GOOD + b"C\xe9?,d\n", ", line 3: the byte 0xE9 is not UTF-8 text; perhaps the file is WINDOWS-1252. Sav"),
    ("a.csv", GOOD * 9000 + b"C\xe9?,d\n", ", line 18001: the byte 0xE9 is not UTF-8 text"),
    ("a b.csv", GOOD + b"\x93C?\x94,d\n", "with: iconv -f WINDOWS-1252 -t UTF-8 'a b.csv' > 'a b-utf8.csv'"),
    ("a.csv", GOOD + "Где?,тут\n".encode("cp1251"), "iconv -f WINDOWS-1251 -t UTF-8 a.csv > a-utf8.csv"),
    ("a.jsonl", "Привет, мир!\n".encode("utf-16-le") * 9, "encoded as UTF-16LE, not UTF-8."),
    ("a.csv", UTF16, ": the text is encoded as UTF-16, not UTF-8. Save it as UTF-8, for example with: iconv -f UTF-16"),
    ("a.csv", UTF16[2:], ": 21 of the first 42 bytes are NUL, so the text seems to be encoded as UTF-16LE, not UTF-8."),
    ("a.csv", "question,answer\n".encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8 a.csv > a-utf8.csv"),
    ("a.jsonl", '{"question": "Где?"}'.encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8 a.jsonl"),
    ("a.json", '["Где?"]'.encode("utf-32"), ": the text is encoded as UTF-32, not UTF-8."),
    ("a.csv", GOOD + b"C\x00?,d\n", ", line 3: a NUL byte at character 2. The file is damaged, or not text"),
    ("a.csv", b"PK\x03\x04..", ": whatever its name says, this is an Excel workbook or another zip archive. Save the"),
    ("a.csv", b"PAR1", ": whatever its name says, this is a Parquet file. Give it the ending .parquet"),
    ("a.xlsx", b"PK", ": spreadsheets are not read. Save the table as CSV (UTF-8), and give that file."),
    ("a.txt", b"A?\tb", ": pairs come from .csv, .tsv, .json, .jsonl, .ndjson or .parquet files. Convert the file, or"),
    ("a", b"A?\tb", ": pairs come from .csv, .tsv, .json"),
    ("a.jsonl", b'{"question": "A?", "answer": "b"}\n{"question"', ", line 2: not valid JSON (Expecting ':' delimiter"),
    ("a.jsonl", b'{"question": "A?"} {"answer": "b"}', ", line 1: not valid JSON (Extra data). It goes wrong at chara"),
    ("a.jsonl", b"{\n}", ", line 1: not valid JSON (Expecting property name enclosed in double quotes). The file seem"),
    ("a.jsonl", b'\n["A?", "b"]', ", line 2: expected an object, such as {\"question\": …, \"answer\": …}. Got ['A?',"),
    ("a.jsonl", b'{"question": "A?", "answer": 5}', ", line 1: the column 'answer' holds a number where text is expec"),
    ("a.jsonl", b'{"question": "A?", "answer": null}', "the column 'answer' holds null. Fill it in"),
    ("a.jsonl", b'{"question": ["A?"], "answer": "b"}', "the column 'question' holds a list where text is expected."),
    ("a.jsonl", b'{"question": "A\\ud83d?", "answer": "b"}', "the column 'question' holds half a character"),
    ("a.jsonl", b"{}", ", line 1: there is no column 'question'. Columns found: none. Name them with"),
    ("a.jsonl", b'{"question": "A?", "answer": "b"}\n{"question": "A?", "answr": "b"}', ", line 2: there is no column"),
    ("a.jsonl", b'{"a": 1, "b": {"c": 1, "c": 2}}', ", line 1: the key 'c' stands twice in one object. Rename or remo"),
    ("a.jsonl", DEEP, ", line 1: JSON that cannot be read. It says: maximum recursion depth"),
    ("a.jsonl", b"1" * 5000, ", line 1: "),
    ("a.jsonl", b"\n\n", ": the file holds no pairs."),
    ("a.json", b'[\n{"question": "A?",\n "answer": "b"},\n{"question": "B', ", line 4: not valid JSON (Unterminated s"),
    ("a.json", b'[\n{"question": "A?", "answer": "b"},\n', ", line 3: not valid JSON (Expecting value, character 1)."),
    ("a.json", b'[\n{"question": "A?", "answer": "b"}\n{}]', ", line 3: not valid JSON (Expecting ',' delimiter, char"),
    ("a.json", b'{"question": "A?"}\n{"question": "A?"}', ", line 2: not valid JSON (Extra data, character 1). If eac"),
    ("a.json", b'[\n{"question": "A?",\n "answer": "b"},\n{\n"a": 1, "a": 2}]', ", line 4: the key 'a' stands twice i"),
    ("a.json", b'{"rows": [],\n"rows": []}', ", line 2: not valid JSON (The key 'rows' stands twice, character 1)."),
    ("a.json", b'{"x": 1, "train": [{}], "test": []}', ": the file holds 2 lists, train, test; which has the rows? Ke"),
    ("a.json", b'{"question": "A?", "answer": "b"}', "expected a list of objects, such as [{…}, {…}]; the file holds"),
    ("a.json", b"17", ": expected a list of objects, such as [{…}, {…}]; the file holds 17."),
    ("a.json", b"{5: 1}", ", line 1: not valid JSON (Expecting property name"),
    ("a.json", b"  ", ", line 1: not valid JSON (Expecting value"),
    ("a.json", b"[]", ": the file holds no pairs."),
    ("a.json", b'[\n\n"A?"]', ", line 3: expected an object, such as"),
    ("a.json", DEEP, ": the JSON cannot be read (maximum recursion depth"),
    ("a.json", b'["caf\xe9"]', ", line 1: the byte 0xE9 is not UTF-8 text"),
    ("a.parquet", b"PAR1 and no more", ": not a complete Parquet file ("),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "message"), BAD, ids=count())
def test_bad_files_are_named_with_the_line(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        read_pairs(path)
    assert str(raised.value).startswith(f"Reading {path}" + (message if message[0] in ":," else ""))
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": the file is empty (0 bytes)."),
        (b"\xef\xbb\xbf \n\t\r\n", ": the file holds no text. Put one text on each line."),
        ("one\rtwo\rcaf\u00e9".encode("latin-1"), ", line 3: the byte 0xE9 is not UTF-8 text"),
        (b"one\n\x00\x00\n", ", line 2: a NUL byte at character 1."),
    ],
)
def test_bad_text_files_are_named(tmp_path, content, message):
    path = write(tmp_path, "a.txt", content)
    with pytest.raises(DataError, match=re.escape(f"Reading {path}{message}")):
        read_texts(path)


def test_bad_parquet_files_are_named(tmp_path):
    def read(columns, change=lambda content: content):
        table = pyarrow.table([pyarrow.array(values) for values in columns.values()], names=[*columns])
        pyarrow.parquet.write_table(table, path := tmp_path / "a.parquet")
        path.write_bytes(change(path.read_bytes()))
        return read_texts(path)

    assert read({"id": [1, 2], "text": ["a", "b"]}) == ["a", "b"]
    for columns, message in [
        ({"text": ["a", None]}, ", row 2: the column 'text' holds null."),
        ({"text": ["a", " "]}, ", row 2: the column 'text' is empty."),
        ({"text": [1, 2]}, ", row 1: the column 'text' holds a number where text is expected. Found 1."),
        ({"text": [b"a"]}, ", row 1: the column 'text' holds a value of type bytes where text is expected."),
        (
            {"Text": ["a"]},
            ": there is no column 'text'. Columns found: Text. Did you mean 'Text'? Name one with column=",
        ),
        ({"text": pyarrow.array([], pyarrow.string())}, ": the file holds no text."),
    ]:
        with pytest.raises(DataError, match=re.escape(f"Reading {tmp_path / 'a.parquet'}{message}")):
            read(columns)
    for damage in (lambda content: content[:-20], lambda content: b"x" * 30 + content[30:]):
        with pytest.raises(DataError, match=r"a\.parquet.*: not a complete Parquet file"):
            read({"text": [str(i) for i in range(5000)]}, damage)


@pytest.mark.parametrize("read", [read_texts, read_pairs])
def test_paths_that_are_no_files_are_named(tmp_path, read):
    (tmp_path / "pairs.csv").touch()
    for name, message in [
        (
            "pear.csv",
            f"there is no such file in {tmp_path}. Did you mean 'pairs.csv'? Give the path of a readable file.",
        ),
        ("no/pairs.csv", f"there is no such file in {tmp_path / 'no'}. Give the path"),
        ("pairs.csv/pairs.csv", "Not a directory. Give the path of a readable file."),
        ("", "this is a folder. Give the path of one file."),
    ]:
        with pytest.raises(DataError, match=re.escape(f"Reading {tmp_path / name}: {message}")):
            read(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=re.escape("pipe.csv: this is no regular file.")):
        read(tmp_path / "pipe.csv")


def test_a_file_without_permission_is_named(tmp_path):
    path = write(tmp_path, "pairs.csv", GOOD)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # whom nothing is forbidden
        os.seteuid(65534)
    try:
        with pytest.raises(
            DataError, match=re.escape(f"Reading {path}: Permission denied. Give the path of a readable")
        ):
            read_pairs(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_a_line_of_two_gigabytes_is_refused_and_never_held(tmp_path, name):
    path = write(tmp_path, name, "text\nshort\n")
    os.truncate(path, 2_000_000_000)  # sparse: it takes no room on the disk
    tracemalloc.start()
    message = r", line 3: the line has more than 10,000,000 characters\."
    if name.endswith(".json"):
        message = r": 2,000 MB, and a \.json file is read whole, up to 500 MB\. Save it as \.jsonl"
    with pytest.raises(DataError, match=re.escape(f"Reading {path}") + message):
        read_texts(path, bad_rows="skip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_a_table_is_read_row_by_row(tmp_path, name):
    """What is not asked for is not held: 40 MB of another column leave no trace."""
    path = write_rows(tmp_path / name, [{"text": "short", "other": os.urandom(20_000).hex()} for _ in range(1_000)])
    tracemalloc.start()
    assert len(read_texts(path)) == 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 10_000_000
    assert peak < 6_000_000


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path):
    rows = ["question,answer", "A?,b", "B?", '"two', 'lines?",', "C?,d", '"E" f?,g', "H?,i,j", "K?, ", "L?,m"]
    path = write(tmp_path, "a.csv", "\n".join(rows))
    with pytest.warns(SkippedRows) as warned:
        pairs = read_pairs(path, bad_rows="skip")
    assert [pair["question"] for pair in pairs] == ["A?", "C?", "L?"]
    assert len(warned) == 1
    assert warned[0].filename == __file__
    message = warned[0].message
    assert (message.count, message.total) == (5, 8)
    assert message.reasons == {
        "1 cell where the header has 2": ["line 3"],
        "the column 'answer' is empty": ["line 4", "line 9"],
        "not valid CSV (',' expected after '\"')": ["line 7"],
        "3 cells where the header has 2": ["line 8"],
    }
    assert str(message).startswith(
        f"Reading {path}: 5 of 8 rows are left out: 1 cell where the header has 2 (line 3); "
    )


@pytest.mark.parametrize(
    ("name", "content", "count", "total"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text"\n[]\n{"txt": "b"}\n\n{"text": 1}\n{"text": 1, "text": 2}\n"e"', 5, 7),
        ("a.jsonl", '{"text": "a"}\n' + "1" * 5000 + '\n{"text": "e"}', 1, 3),
        ("a.json", '[{"text": "a"}, [], {"txt": "b"}, {"text": 1}, {"text": "c", "text": "d"}, "e"]', 4, 6),
    ],
)  # fmt: skip
def test_bad_json_rows_can_be_left_out(tmp_path, name, content, count, total):
    with pytest.warns(SkippedRows) as warned:
        assert read_texts(write(tmp_path, name, content), bad_rows="skip") == ["a", "e"]
    assert (warned[0].message.count, warned[0].message.total) == (count, total)


def test_nothing_is_said_where_nothing_is_left_out(tmp_path):
    path = write_rows(tmp_path / "a.csv", PAIRS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_pairs(path, bad_rows="skip") == PAIRS


@pytest.mark.parametrize("content", [b"text\n \n\t\n", b"text\na,b\nc,d\n"])
def test_a_file_of_which_nothing_remains_is_an_error_all_the_same(tmp_path, content):
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(
        DataError, match=re.escape(f"Reading {path}: none of its 2 rows can be used. The first: Reading")
    ):
        read_texts(path, bad_rows="skip")


@pytest.mark.parametrize("content", [UTF16, b"txt\na\n", b'text\n"a\nb\n', b"text\na\xe9\n", b"text,text\na,b\n"])
def test_what_is_wrong_with_the_whole_file_cannot_be_skipped(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.csv"):
        read_texts(write(tmp_path, "a.csv", content), bad_rows="skip")


def test_bad_rows_are_an_error_or_skipped(tmp_path):
    with pytest.raises(DataError, match="bad_rows is 'error' or 'skip'; got 'ignore'"):
        read_texts(write(tmp_path, "a.txt", "a"), bad_rows="ignore")
    with pytest.raises(DataError, match=re.escape('Or leave such rows out with bad_rows="skip" (data.bad_rows')):
        read_texts(write(tmp_path, "a.csv", b"text\n \n"))


def test_json_that_does_not_fit_names_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(json_rows, "LARGEST_JSON", 10)
    with pytest.raises(DataError, match=r"Save it as \.jsonl, an object a line"):
        read_texts(write(tmp_path, "a.json", b'["a", "b", "c"]'))


def test_a_missing_parquet_library_is_named_with_the_command(tmp_path, monkeypatch):
    path = write_rows(tmp_path / "a.parquet", PAIRS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"a\.parquet: .* Install it with: python -m pip install pyarrow"):
        read_pairs(path)
