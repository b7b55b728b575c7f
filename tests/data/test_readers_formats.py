"""Readers of files as other programs write them: dialects, layouts of JSON, labels, texts that are none."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import warnings
from itertools import count
from pathlib import Path

import pyarrow
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_readers import SENTENCE, write

from cubelib.data.readers import (
    Dialect,
    FormatWarning,
    SkippedRows,
    SuspectTexts,
    UnusedColumns,
    read_columns,
    read_pairs,
    read_texts,
)
from cubelib.data.readers.json_layouts import LAYOUTS
from cubelib.errors import DataError

CASES = Path(__file__).parents[1] / "field_cases"
FIRST = {"question": "How do I reset my password?", "answer": "Use the link on the sign-in page."}


def read(reader, path, *arguments, **options):
    """What a reader gives, and its warnings: class → text."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = reader(path, *arguments, **options)
    assert all(warning.filename == __file__ for warning in told)
    return result, {warning.category: str(warning.message) for warning in told}


@pytest.mark.parametrize(
    ("name", "options", "pairs", "told"),
    [
        ("01_stsb_tsv/sts-train.tsv", {"question": 5, "answer": "6"}, 12, {FormatWarning: "without a header"}),
        ("01_stsb_tsv/sts-train.tsv", {"question": 5, "answer": 6, "label_column": 4, "min_score": 1}, 9,
         {FormatWarning: "without", SkippedRows: "3 of 12 rows are left out: a score below 1 in the column '4'"}),
        ("03_tsv_open_quote/quora.tsv", {"question": "question1", "answer": "question2", "bad_rows": "skip"}, 13,
         {UnusedColumns: "7 of 13 pairs are marked as wrong (such as '0') in the column 'is_duplicate'"}),
        ("03_tsv_open_quote/quora.tsv", {"label_column": "is_duplicate"}, 6,
         {FormatWarning: "'question' is the column 'question1'", SkippedRows: "7 of 13 rows are left out: marked"}),
        ("04_semicolon_bom/faq.csv", {}, 12, {FormatWarning: "divided by semicolons"}),
        ("05_sep_line_cp1252/faq.csv", {}, 12, {FormatWarning: "encoded as cp1252, divided by semicolons"}),
        ("06_excel_unicode_text/faq.csv", {}, 12, {FormatWarning: "encoded as utf-16"}),
        ("06_excel_unicode_text/faq.txt", {}, 12, {FormatWarning: "encoded as utf-16"}),
        ("07_tsv_no_header/pairs.tsv", {}, 12, {FormatWarning: "without a header: 'question' is column 0, 'answ"}),
        ("07_tsv_no_header/pairs.txt", {"question": 0, "answer": 1}, 12, {FormatWarning: "without a header"}),
        ("08_msmarco_triples/triples.tsv", {"bad_rows": "skip"}, 11,
         {FormatWarning: "'answer' is the column 'positive'", SkippedRows: "4 cells where the header has 3 (line 6)",
          UnusedColumns: "The column 'negative' is not used."}),
        ("09_blank_after_comma/faq.csv", {}, 12, {}),
        ("09_blank_after_comma/faq2.csv", {}, 12, {}),
        ("10_cr_only/faq.csv", {}, 12, {}),
        ("10_cr_only/faq.jsonl", {}, 12, {}),
        ("11_header_spelling/faq.csv", {}, 12, {}),
        ("12_encode_empty_cell/faq.csv", {"bad_rows": "skip"}, 11, {SkippedRows: "'answer' is empty (line 5)"}),
        ("13_gzip/pairs.jsonl.gz", {}, 12, {}),
        ("13_gzip/pairs.tsv.gz", {}, 12, {}),
        ("14_json_by_columns/lists.json", {}, 12, {FormatWarning: "laid out as columns"}),
        ("14_json_by_columns/pandas.json", {}, 12, {FormatWarning: "laid out as columns"}),
        ("15_squad/hub.jsonl", {}, 12, {FormatWarning: "'answer' is the column 'answers'"}),
        ("15_squad/train-v2.json", {}, 12, {FormatWarning: "laid out as SQuAD"}),
        ("16_several_answers/nq.jsonl", {}, 24, {}),
        ("16_several_answers/nq.tsv", {}, 24, {FormatWarning: "lists printed as text hold several answers each"}),
        ("17_llamaindex_qa/train_dataset.json", {}, 12, {FormatWarning: "laid out as queries and corpus"}),
        ("18_pos_neg_lists/bare.jsonl", {}, 12, {}),
        ("18_pos_neg_lists/flag.jsonl", {}, 12,
         {FormatWarning: "'question' is the column 'query'", UnusedColumns: "'neg' is not used"}),
        ("29_instructions/alpaca.json", {}, 12, {FormatWarning: "'question' is the column 'instruction'"}),
        ("29_instructions/hh.jsonl", {}, 12, {FormatWarning: "laid out as preferences", UnusedColumns: "'rejected'"}),
        ("49_labels_ignored/quora.csv", {"label_column": "is_duplicate"}, 8,
         {FormatWarning: "'question1'", SkippedRows: "8 of 16 rows are left out: marked as wrong"}),
        ("49_labels_ignored/triplets.csv", {}, 16, {FormatWarning: "'anchor'", UnusedColumns: "'negative' is not"}),
        ("53_nan_words/faq.csv", {}, 16, {SuspectTexts: "6 of 16 texts in the column 'answer' look like words for"}),
        ("53_nan_words/faq.csv", {"missing": ["NaN", "n/a"], "bad_rows": "skip"}, 10, {SkippedRows: "6 of 16 rows"}),
        ("57_pretty_and_wrapped_json/jq.json", {}, 12, {}),
        ("57_pretty_and_wrapped_json/wrapped.json", {}, 12, {}),
    ],
)  # fmt: skip
def test_pairs_of_files_that_other_programs_wrote(name, options, pairs, told):
    found, messages = read(read_pairs, CASES / name, **options)
    assert len(found) == pairs
    assert {kind: text in messages.get(kind, "") for kind, text in told.items()} == dict.fromkeys(told, True)
    assert messages.keys() == told.keys()
    if "label_column" not in options and "01" not in name and "03" not in name and "16" not in name:
        assert found[0] == FIRST or name.startswith("49_labels_ignored/quora")
    assert not any(text.startswith('"') and text.endswith('"') for pair in found for text in pair.values())


def test_negatives_come_with_their_pairs():
    for name, column in [("08_msmarco_triples/triples.tsv", "negative"), ("18_pos_neg_lists/flag.jsonl", "neg")]:
        found, messages = read(read_pairs, CASES / name, negative_column=column, bad_rows="skip")
        assert all(len(pair["negatives"]) == 1 for pair in found)
        assert UnusedColumns not in messages


def test_letters_of_other_languages_come_back():
    found, _ = read(read_pairs, CASES / "05_sep_line_cp1252/faq.csv")
    assert found[1] == {"question": "Where is my Päckchen?", "answer": "The tracking number is in our Größenübersicht."}


def test_an_open_quotation_in_a_tsv_is_a_letter():
    found, _ = read(read_pairs, CASES / "01_stsb_tsv/sts-train.tsv", 5, 6)
    assert (found[1]["question"], found[9]["question"]) == (
        '"We will not sell, said the owner of the mill.',
        'Rain fell on the market."',
    )


@pytest.mark.parametrize(
    ("name", "reader", "options", "message"),
    [
        ("01_stsb_tsv/sts-train.tsv", read_pairs, {}, "the line seems to hold data, not names: “main-captions"),
        ("08_msmarco_triples/triples.tsv", read_pairs, {}, ", line 6: 4 cells where the header has 3."),
        ("27_whatsapp_txt/_chat.txt", read_texts, {}, "34 of 50 lines look like lines of a chat or a log"),
        ("27_whatsapp_txt/_chat.txt", read_pairs, {}, "If this is a chat, set content: conversations (data.con"),
        ("53_nan_words/faq.csv", read_pairs, {"missing": ["nan"]}, ", line 3: the column 'answer' holds a word for"),
        ("49_labels_ignored/quora.csv", read_pairs, {"label_column": "label"}, "there is no column 'label'."),
        ("49_labels_ignored/quora.csv", read_pairs, {"label_column": "question1"}, "says neither right nor wrong. Fou"),
        ("49_labels_ignored/quora.csv", read_pairs, {"label_column": "is_duplicate", "min_score": 2}, "16 rows can"),
        ("16_several_answers/nq.tsv", read_texts, {"column": "answer"}, "12 texts in the column 'answer' look like"),
    ],
    ids=count(),
)  # fmt: skip
def test_files_that_must_be_refused(name, reader, options, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match=re.escape(message)):
            reader(CASES / name, **options)


def test_texts_of_a_txt_file_with_tabs_are_told_or_read_as_a_column():
    path = CASES / "07_tsv_no_header/pairs.txt"
    found, messages = read(read_texts, path)
    assert "\t" in found[0]
    assert "12 of 12 lines look like cells of a table, divided by tabs" in messages[SuspectTexts]
    assert read(read_texts, path, 1)[0][0] == FIRST["answer"]
    assert len(read(read_texts, CASES / "10_cr_only/faq.txt")[0]) == 16


CELL = SENTENCE.filter(lambda text: not re.match(r"\[|sep=", text))
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, "": bytes}
PACK[".zst"] = lambda content: pyarrow.compress(content, codec="zstd", asbytes=True)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(ENCODINGS),
    packed=st.sampled_from(sorted(PACK)),
    name=st.sampled_from(["a.csv", "a.tsv", "a.txt"]),
    names=st.sampled_from([["question", "answer"], [" Answer", "QUESTION"], ["query", "id", "positive"]]),
)
@example([('"', "a\tb")], "\t", csv.QUOTE_MINIMAL, "\n", "utf-8", "", "a.tsv", ["question", "answer"])
def test_pairs_come_back_from_any_dialect(
    tmp_path_factory, rows, delimiter, quoting, end, encoding, packed, name, names
):
    if any({"\r", "\n"} & set("".join(row)) for row in rows):  # csv.writer encloses those of its own line end only
        quoting = csv.QUOTE_ALL
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(names)
    for question, answer in rows:
        cells = {"question": question, "query": question, "answer": answer, "positive": answer, "id": "7"}
        writer.writerow([cells[column.strip().lower()] for column in names])
    content = PACK[packed](text.getvalue().encode(encoding))
    found, _ = read(read_pairs, write(tmp_path_factory.getbasetemp(), name + packed, content))
    assert found == [{"question": question, "answer": answer} for question, answer in rows]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL), min_size=2, max_size=6),
    place=st.integers(0, 5),
    name=st.sampled_from(["a.csv", "a.tsv"]),
)
def test_an_open_quotation_costs_no_other_row(tmp_path_factory, rows, place, name):
    """In CSV the row is named and left out; in TSV the quotation mark is a letter."""
    text = io.StringIO(newline="")
    delimiter = "\t" if name == "a.tsv" else ","
    rows = [tuple(re.sub(r'[\s",]', "x", cell) for cell in row) for row in rows]
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([("question", "answer"), *rows])
    lines = text.getvalue().split("\n")
    place = place % len(rows)
    lines.insert(1 + place, f'"What{delimiter}That.')
    path = write(tmp_path_factory.getbasetemp(), name, "\n".join(lines))
    if name == "a.tsv":
        rows.insert(place, ('"What', "That."))
    found, _ = read(read_pairs, path, bad_rows="skip")
    assert found == [{"question": question, "answer": answer} for question, answer in rows]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4), indent=st.sampled_from([None, 2]), data=st.data())
def test_pairs_come_back_from_json_in_any_arrangement(tmp_path_factory, rows, indent, data):
    objects = [{"question": question, "answer": answer} for question, answer in rows]
    arrangements = {
        "list": [objects],
        "documents": objects,
        "columns": [{name: [row[name] for row in objects] for name in ("question", "answer")}],
        "rows of columns": [{name: {str(i): row[name] for i, row in enumerate(objects)} for name in objects[0]}],
        "wrapped": [{"version": 1, "tags": ["a"], "data": {"rows": objects}}],
        "pairs": [[list(row) for row in rows]],
        "split": [{"columns": ["question", "answer"], "index": [0], "data": [list(row) for row in rows]}],
    }
    documents = arrangements[data.draw(st.sampled_from(sorted(arrangements)))]
    ending = data.draw(st.sampled_from([".json", ".jsonl", ".ndjson"]))
    separator = data.draw(st.sampled_from(["\n", "\r\n", " ", "\n\n"]))
    text = separator.join(json.dumps(document, indent=indent) for document in documents)
    found, _ = read(read_pairs, write(tmp_path_factory.getbasetemp(), "a" + ending, text))
    assert found == objects


PAIRS = [{"question": "A?", "answer": "b"}, {"question": "A?", "answer": "c"}]
OF_EACH_LAYOUT = {
    "pairs as lists": [["A?", "b"], ["A?", "c", "wrong"]],
    "SQuAD": {"data": [{"paragraphs": [{"qas": [
        {"question": "A?", "answers": [{"text": "b"}, {"text": "c"}]}, {"question": "D?", "answers": []}]}]}]},
    "queries and corpus": {"queries": {"q": "A?"}, "corpus": {"1": "b", "2": "c"}, "relevant_docs": {"q": ["1", "2"]}},
    "intents": {"intents": [{"tag": "x", "patterns": ["A?"], "responses": ["b", "c"]}]},
    "sets": {"set": ["A?", "b", "c"]},
    "preferences": {"chosen": "\n\nHuman: A?\n\nAssistant: b\n\nHuman: A?\n\nAssistant: c", "rejected": ""},
    "columns and data": {"columns": ["answer", "question"], "data": [["b", "A?"], ["c", "A?"]]},
    "columns": {"answer": ["b", "c"], "question": ["A?", "A?"], "version": 1},
    "rows by key": {"x": PAIRS[0], "y": PAIRS[1]},
    "wrapped list": {"meta": {"labels": ["a"]}, "result": {"items": PAIRS}},
    "list": PAIRS,
}  # fmt: skip


def test_every_known_layout_has_an_example():
    assert list(OF_EACH_LAYOUT) == list(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_of_every_layout(tmp_path, layout):
    found, messages = read(read_pairs, write(tmp_path, "a.json", json.dumps(OF_EACH_LAYOUT[layout])))
    assert found == PAIRS
    assert (SkippedRows in messages) == (layout == "SQuAD"), "a question without an answer is counted"


@pytest.mark.parametrize(
    ("text", "look"),
    [
        *((vector, "lists of numbers") for vector in ("[0.1, -2e-5, 3]", "0.1 0.2 .3", "array([1., 2., ..., 3.])")),
        ("the 0.1 0.2 0.3 -0.4 5e-1", "a word and its vector"),
        *((number, "numbers") for number in ("5", "1,234.50", "2024-05-01", "(12 %)")),
        *((word, "words for a missing value") for word in ("nan", "N/A", "None", "NULL", "<NA>", r"\N", "#REF!")),
        *((link, "links or identifiers") for link in ("https://a.b/c", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "d_1")),
        *((line + " Hi.", "lines of a chat or a log, with date and time") for line in (
            "[01/05/24, 09:00:00] Ann:", "01.05.2024, 09:00 - Ann:", "5/1/24, 9:00 AM - Ann:", "2024-05-01T09:00 Ann")),
        *((listed, "lists printed as text") for listed in ("['a', 'b']", '["a"]', "{'text': array(['a'])}", "b'a b'")),
        *((text, None) for text in ("A cat.", "None of it.", "In 1912", "[Ann] Hi", "12 cats", "", "3.", "The 5 6 7")),
    ],
)  # fmt: skip
def test_what_a_text_looks_like(tmp_path, text, look):
    lines = ["A cat sleeps."] * 8
    found, messages = read(read_texts, write(tmp_path, "a.txt", "\n".join([*lines, text])))
    assert found == [*lines, *filter(None, [text])]
    expected = f"1 of 9 lines look like {look}, such as {text!r} (line 9)."
    assert (look is None and not messages) or expected in messages[SuspectTexts]
    if look:
        with pytest.raises(DataError, match="3 of 3 lines look like"):
            read_texts(write(tmp_path, "a.txt", "\n".join([text] * 3)))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Où est mon colis ? Le numéro de suivi a été envoyé à l’adresse indiquée."),
        ("cp1252", "¿Dónde está mi paquete? El número de envío está en la señal; mañana habrá más."),
        ("cp1252", "Onde está a encomenda? Não há informações, amanhã é domingo."),
        ("cp1250", "Gdzie jest moja paczka? Numer śledzenia jest w wiadomości, żółć gęś."),
        ("cp1250", "Kde je můj balíček? Číslo zásilky najdete v našem e-mailu, příliš žluťoučký kůň."),
        ("cp1251", "Где моя посылка? Номер отправления указан в письме."),
        ("shift_jis", "私の荷物はどこですか。追跡番号はメールに記載されています。"),
        ("gb18030", "我的包裹在哪里？追踪号码在我们的邮件里。我可以退鞋吗？"),
        ("utf-16-le", "Where is my parcel?"),
        ("utf-16-be", "Where is my parcel?"),
        ("utf-16-le", "一个，上帝 一上"),
        ("utf-16-be", "Где моя посылка?"),
        ("iso2022_jp", "私の荷物はどこですか。"),
        ("cp866", "Где моя посылка? Номер отправления указан в письме."),
        ("cp874", "พัสดุของฉันอยู่ที่ไหน หมายเลขอยู่ในอีเมล"),
    ],
)
def test_encodings_without_a_mark(tmp_path, encoding, text):
    assert read(read_texts, write(tmp_path, "a.txt", text.encode(encoding)))[0] == [text]
    as_told = Dialect(encoding=encoding)
    assert read(read_texts, write(tmp_path, "a.txt", text.encode(encoding)), dialect=as_told) == ([text], {})


@pytest.mark.parametrize(
    ("name", "content", "dialect", "pairs"),
    [
        ("a.csv", "question:answer\nA, c?:b\n", Dialect(delimiter=":"), [("A, c?", "b")]),
        ("a.csv", 'question,answer\n"A?,"b\n', Dialect(quoting="none"), [('"A?', '"b')]),
        ("a.tsv", 'question\tanswer\n"A?"\t"b"\n', Dialect(quoting="standard"), [("A?", "b")]),
        ("a.tsv", 'question\tanswer\n"A?"\t"b"\n', Dialect(), [('"A?"', '"b"')]),
        ("a.tsv", '"question"\t"answer"\n"A?"\t"b"\n', Dialect(), [("A?", "b")]),
        ("a.csv", "question,answer\nA?,b\n", Dialect(header=False), [("question", "answer"), ("A?", "b")]),
        ("a.csv", 'question,answer\n"say \\"A?\\"",b\n', Dialect(), [('say "A?"', "b")]),
        ("a.csv", 'question,answer\n"A?" ,"b" \n', Dialect(), [("A?", "b")]),
        ("a.csv", "question;answer\nA?;b\n;\n", Dialect(delimiter="semicolon"), [("A?", "b")]),
    ],
)
def test_every_part_of_a_dialect_can_be_set(tmp_path, name, content, dialect, pairs):
    found, messages = read(read_pairs, write(tmp_path, name, content), dialect=dialect)
    assert [tuple(pair.values()) for pair in found] == pairs
    assert not messages


LABELED = "sentence1\tsentence2\t{}\nA?\tb\t{}\nC?\td\t{}\n"


@pytest.mark.parametrize(
    ("name", "content", "options", "questions", "told"),
    [
        ("a.txt", '"question" "answer"\n"1" "A b?" "c"\n"2" "D?" "e"\n', {}, ["A b?", "D?"], "divided by spaces"),
        ("a.csv", "question^answer\nA?^b\n", {}, ["A?"], "divided by '^'s"),
        ("a.csv", "FAQ, 2024\n\n,question,answer\n,,\n0,A?,b\n", {}, ["A?"], "the header is in line 3, and what is ab"),
        ("a.csv", "question,answer\nA?,b,,\nC?,d\n", {}, ["A?", "C?"], None),
        ("a.csv", "question,answer\nA?,b\nquestion,answer\nC?,d\n", {}, ["A?", "C?"], "the header once more (line 3)"),
        ("a.csv", f'question,answer\n"{"A b? " * 30_000}","b"\n', {}, [("A b? " * 30_000).strip()], None),
        ("a.tsv", "1\tA?\n2\tC?\n", {"question": 1, "answer": 1}, ["A?", "C?"], "without a header"),
        ("a.csv", ",0,1\n7,A?,b\n", {"question": 0, "answer": 1}, ["A?"], None),
        ("a.csv", '[{"question": "A?",\n "answer": "b"}]', {}, ["A?"], None),
        ("a.json", '[{"question": "A\nb?", "answer": "c"}]', {}, ["A\nb?"], None),
        ("a.json", '[["id", "question", "answer"], [1, "A?", "b"]]', {}, ["A?"], "laid out as columns and data"),
        ("a.json", '{"hits": [{"_id": 1, "row": {"question": "A?", "answer": "b"}}]}', {}, ["A?"], None),
        ("a.tsv", "dog\tHund\ncat\tKatze\n", {"question": 0, "answer": 1}, ["cat"], "line 1 is taken for the header"),
        ("a.csv", "\ufeffquestion,answer\nA?,b\n\ufeffquestion,answer\nC?,d\n", {}, ["A?", "C?"], "the header once"),
        ("a.jsonl", '{"query": "A?", "answers": ["b"]}', {}, ["A?"], "'answer' is the column 'answers'"),
        ("a.jsonl", '{"prompt": "A?", "chosen": [{"role": "user", "content": ""}, {"role": "x", "content": "b"}]}', {},
         ["A?"], "'answer' is the column 'chosen'"),
        ("a.jsonl", '{"question": "A?", "answer": [{"text": "b", "label": 1}, {"text": "c", "label": 0}]}', {}, ["A?"],
         "Answers left out because their lists mark them as wrong: 1."),
        ("a.tsv", LABELED.format("gold_label", "contradiction", "-"), {}, ["A?", "C?"], "1 of 2 pairs are marked as"),
        ("a.tsv", LABELED.format("Quality", 0, 1), {}, ["A?", "C?"], "(such as '0') in the column 'Quality'"),
        ("a.tsv", LABELED.format("y", 0, 1), {}, ["A?", "C?"], "(such as '0') in the column 'y'"),
        ("a.tsv", LABELED.format("target", 0, "x"), {}, ["A?", "C?"], None),
        ("a.tsv", "A?\tb\t1\nC?\td\t0\n", {"question": 0, "answer": 1}, ["A?", "C?"], "wrong (such as '0') in the"),
        ("a.tsv", LABELED.format("Label", "SUPPORTS", "REFUTES"), {"label_column": "label"}, ["A?"], "1 of 2 rows are"),
        ("a.csv", "anchor,positive,negative_1,negative_2\nA?,b,c,d\n", {}, ["A?"], "'negative_1' (with 1 more like"),
    ],
    ids=count(),
)  # fmt: skip
def test_pairs_are_read_right_or_something_is_said(tmp_path, name, content, options, questions, told):
    found, messages = read(read_pairs, write(tmp_path, name, content), **options)
    assert [pair["question"] for pair in found] == questions
    messages.pop(UnusedColumns if "label_column" in options else None, None)
    said = " ".join(messages.values())
    assert told in said if told else not re.sub(".*is the column [^.]*.*", "", said)


@pytest.mark.parametrize("wrong", [{"delimiter": "ab"}, {"delimiter": ""}, {"header": "yes"}, {"quoting": "some"}])
def test_a_dialect_refuses_what_it_does_not_know(wrong):
    with pytest.raises(DataError, match=f"Dialect: {next(iter(wrong))} is .* got {next(iter(wrong.values()))!r}"):
        Dialect(**wrong)


@pytest.mark.parametrize("text", ["GrÃ¶ÃŸe", "itâ€™s", "Ð\x93Ð´Ðµ", "Gr\ufffde", "num‚ro"])
def test_letters_decoded_wrongly_are_told(tmp_path, text):
    found, messages = read(read_texts, write(tmp_path, "a.txt", f"NÃO é “so”, l’été — да\n{text}"))
    assert found[1] == text
    assert "1 of 2 lines look like letters decoded wrongly" in messages[SuspectTexts]


@pytest.mark.parametrize(
    "text", ["Ham &amp; eggs.", "He said &quot;no&quot;", "5&nbsp;kg", "Gr&uuml;n", "it&#39;s", "&#x2014;"]
)
def test_html_entities_are_told(tmp_path, text):
    found, messages = read(read_texts, write(tmp_path, "a.txt", f"AT&T; R&D &c; Tom & Jerry\n{text}"))
    assert found[1] == text
    assert "1 of 2 lines look like HTML" in messages[SuspectTexts] and "html.unescape" in messages[SuspectTexts]


def test_a_cell_that_could_be_several_rows_is_told(tmp_path):
    path = write(tmp_path, "a.csv", 'question,answer\nA?,"b\nC?,d\nE?,f"\n')
    found, messages = read(read_pairs, path)
    assert len(found) == 1
    assert "a quoted cell spans lines 2–4, where each line could be a row" in messages[FormatWarning]


def test_instructions_take_their_input_along(tmp_path):
    rows = [{"instruction": "Translate.", "input": "Katze", "output": "cat"}, {"instruction": "Hi", "output": "Ho"}]
    found, messages = read(read_pairs, write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows))))
    assert [pair["question"] for pair in found] == ["Translate.\nKatze", "Hi"]
    assert "'input' is added to the question" in messages[FormatWarning]


def test_columns_stay_row_by_row_when_one_cell_is_bad(tmp_path):
    path = write(tmp_path, "a.csv", "question,answer\nA?,b\nC?,\n,d\nE?,f\n")
    found, messages = read(read_columns, path, ["question", "answer"], bad_rows="skip")
    assert found == {"question": ["A?", "E?"], "answer": ["b", "f"]}
    assert "2 of 4 rows are left out" in messages[SkippedRows]


def test_a_missing_library_for_zst_is_named_with_the_command(tmp_path, monkeypatch):
    path = write(tmp_path, "a.txt.zst", PACK[".zst"](b"one"))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"a\.txt\.zst: .* Install it with: python -m pip install pyarrow"):
        read_texts(path)
