"""Vectors written in each layout come back as they were, with their texts; what only looks like vectors is refused."""

import base64
import csv
import io
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cubelib.data.readers import SkippedRows, looks_like_chat, looks_like_vectors, read_vectors, read_vectors_and_texts
from cubelib.data.readers.vector_layouts import LAYOUTS
from cubelib.errors import DataError

CASES = Path(__file__).parents[1] / "field_cases"
NUMBERS = st.floats(0.0009765625, 100, width=32) | st.floats(-100, -0.0009765625, width=32)
VECTORS = arrays(np.float32, st.tuples(st.integers(2, 30), st.integers(8, 20)), elements=NUMBERS)


def table(rows, **options) -> str:
    file = io.StringIO()
    csv.writer(file, **options).writerows(rows)
    return file.getvalue()


def cells(write):
    """A CSV with a text and a vector in each row, and objects with the same."""

    def write_file(vectors, texts):
        rows = [(text, write(vector)) for text, vector in zip(texts, vectors, strict=True)]
        return table([("text", "my_embedding"), *rows], delimiter=";")

    return write_file


def as_lines(rows):
    return "\n".join(map(json.dumps, rows))


def number_columns(vectors, texts):
    order = np.random.default_rng(0).permutation(vectors.shape[1])
    rows = [[text, *map(repr, vector[order].tolist())] for text, vector in zip(texts, vectors, strict=True)]
    return table([["text", *(f"dim_{number}" for number in order)], *rows])


def savetxt(vectors, texts):
    file = io.StringIO()
    np.savetxt(file, vectors, header="made by NumPy")
    return file.getvalue()


def words(vectors, texts, header=""):
    rows = zip(texts, vectors.tolist(), strict=True)
    return header + "\n".join(f"{text} {' '.join(map(repr, row))}" for text, row in rows)


def response(vectors, texts):
    data = [{"object": "embedding", "index": n, "embedding": row} for n, row in enumerate(vectors.tolist())]
    return json.dumps({"object": "list", "data": data[::-1], "model": "m"}, indent=1)


def batch(vectors, texts):
    bodies = [{"data": [{"object": "embedding", "index": 0, "embedding": row}]} for row in vectors.tolist()]
    lines = [{"custom_id": f"r-{n}", "response": {"body": body}, "error": None} for n, body in enumerate(bodies)]
    return as_lines(sorted(lines, key=lambda line: line["custom_id"]))


def base64_rows(vectors):
    return [{"embedding": base64.b64encode(row.tobytes()).decode()} for row in vectors]


def records(vectors, texts):
    return [{"text": text, "embedding": row} for text, row in zip(texts, vectors.tolist(), strict=True)]


def points(vectors, texts):
    """As Qdrant answers."""
    rows = [
        {"id": 7, "payload": {"text": t}, "vector": {"dense": v}} for t, v in zip(texts, vectors.tolist(), strict=True)
    ]
    return {"result": {"points": rows, "next_page_offset": None}, "status": "ok"}


def fetched(vectors, texts):
    """As Pinecone answers."""
    rows = zip(texts, vectors.tolist(), strict=True)
    by_name = {f"id{n}": {"values": row, "metadata": {"text": text}} for n, (text, row) in enumerate(rows)}
    return {"namespace": "", "vectors": by_name, "usage": {"readUnits": 1}}


def predictions(vectors, texts):
    """As Vertex answers to a batch."""
    rows = zip(texts, vectors.tolist(), strict=True)
    return [{"instance": {"content": t}, "predictions": [{"embeddings": {"values": row}}]} for t, row in rows]


def encoded(write):
    return cells(lambda row: write(row.tobytes()))


def decimal_commas(row):
    return " ".join(row.astype(str)).replace(".", ",")


def frame(vectors, texts):
    return pandas.DataFrame({"text": texts, "embedding": vectors.tolist()})


def wide(vectors, orient):
    return pandas.DataFrame(vectors.astype(float)).to_json(orient=orient, double_precision=15)


TABLES = {  # file → how it is written, whether the texts are in it
    "json_cell.csv": (cells(lambda row: json.dumps(row.tolist())), True),
    "numpy_cell.csv": (cells(str), True),
    "array_cell.csv": (cells(repr), True),
    "tensor_cell.csv": (cells(lambda row: str(torch.from_numpy(row))), True),
    "scalars_cell.csv": (cells(lambda row: str(list(row))), True),
    "blanks_cell.csv": (cells(lambda row: " ".join(map(repr, row.tolist()))), True),
    "base64_cell.csv": (cells(lambda row: base64.b64encode(row.tobytes()).decode()), True),
    "base64url_cell.csv": (encoded(lambda data: base64.urlsafe_b64encode(data).decode()), True),
    "data_url_cell.csv": (encoded(lambda data: f"data:x/y;base64,{base64.b64encode(data).decode()}"), True),
    "hex_cell.csv": (encoded(lambda data: "\\x" + data.hex()), True),
    "bytes_cell.csv": (encoded(repr), True),
    "decimal_commas_cell.csv": (cells(decimal_commas), True),
    "bars_cell.csv": (cells(lambda row: "|".join(map(repr, row.tolist()))), True),
    "nested_cell.csv": (cells(lambda row: json.dumps([row.tolist()])), True),
    "german_columns.csv": (lambda v, texts: number_columns(v, texts).replace(",", ";").replace(".", ","), True),
    "frame.csv": (lambda v, texts: pandas.DataFrame(v).to_csv(index=False), False),
    "numbered.csv": (lambda v, texts: table([[n, *row] for n, row in enumerate(v.tolist())]), None),
    "word_commas.csv": (lambda v, texts: words(v, texts).replace(" ", ","), True),
    "points.json": (lambda v, texts: json.dumps(points(v, texts)), True),
    "fetched.json": (lambda v, texts: json.dumps(fetched(v, texts)), True),
    "predictions.jsonl": (lambda v, texts: as_lines(predictions(v, texts)), True),
    "hits.json": (lambda v, texts: json.dumps({"hits": {"hits": [{"_source": r} for r in records(v, texts)]}}), True),
    "responses.json": (lambda v, texts: f"[{response(v[:1], texts)}, {response(v[1:], texts)}]", False),
    "by_text.json": (lambda v, texts: json.dumps(dict(zip(texts, v.tolist(), strict=True))), True),
    "index.json": (lambda v, texts: frame(v, texts).to_json(orient="index", double_precision=15), True),
    "wide.json": (lambda v, texts: wide(v, "columns"), False),
    "wide_split.json": (lambda v, texts: wide(v, "split"), False),
    "columns.csv": (number_columns, True),
    "savetxt.txt": (savetxt, False),
    "savetxt.csv": (lambda vectors, texts: table(vectors.tolist()), False),
    "projector.tsv": (lambda vectors, texts: table(vectors.tolist(), delimiter="\t"), False),
    "german.csv": (lambda v, texts: table(v.astype(str).tolist(), delimiter=";").replace(".", ","), False),
    "glove.txt": (words, True),
    "word2vec.vec": (lambda v, texts: words(v, texts, f"{len(v)} {v.shape[1]}\n"), True),
    "response.json": (response, False),
    "batch.jsonl": (batch, False),
    "records.json": (lambda v, texts: json.dumps({"points": records(v, texts)}), True),
    "records.jsonl": (lambda v, texts: as_lines(records(v, texts)), True),
    "base64.jsonl": (lambda v, _: as_lines(base64_rows(v)), False),
    "bare.jsonl": (lambda vectors, texts: as_lines(vectors.tolist()), False),
    "chroma.json": (lambda v, texts: json.dumps({"ids": texts, "embeddings": v.tolist(), "documents": texts}), True),
    "cohere.json": (lambda v, texts: json.dumps({"embeddings": {"float": v.tolist()}, "texts": texts}), True),
    "pandas.json": (
        lambda v, texts: json.dumps({"text": dict(enumerate(texts)), "embedding": dict(enumerate(v.tolist()))}), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=20, deadline=None)
@given(vectors=VECTORS)
def test_every_layout_comes_back(tmp_path_factory, name, vectors):
    write, has_texts = TABLES[name]
    texts = [f"word{number}" for number in range(len(vectors))]
    path = tmp_path_factory.mktemp("vectors") / name
    with np.printoptions(floatmode="unique", threshold=10**6):
        path.write_text(write(vectors, texts), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the delimiter that was found
        found, found_texts = read_vectors_and_texts(path)
    if name == "tensor_cell.csv":  # prints fewer digits
        assert torch.allclose(found, torch.from_numpy(vectors), rtol=1e-3, atol=1e-4)
    else:
        assert found.equal(torch.from_numpy(vectors))
    assert found_texts == (texts if has_texts else None) or has_texts is None
    assert looks_like_vectors(path)
    assert not looks_like_chat(path)


@settings(max_examples=10, deadline=None)
@given(vectors=VECTORS)
def test_arrays_and_parquet_come_back(tmp_path_factory, vectors):
    folder = tmp_path_factory.mktemp("vectors")
    texts = [f"text {number}" for number in range(len(vectors))]
    dim = vectors.shape[1]
    flat = pyarrow.array(vectors.ravel())
    columns = {
        "list": pyarrow.array(vectors.tolist(), pyarrow.list_(pyarrow.float32())),
        "fixed": pyarrow.FixedSizeListArray.from_arrays(flat, dim),
        "double": pyarrow.array(vectors.tolist()),
        "text": pyarrow.array([json.dumps(row) for row in vectors.tolist()]),
        "bytes": pyarrow.array([row.tobytes() for row in vectors]),
        "bytes8": pyarrow.array([row.astype("<f8").tobytes() for row in vectors]),
    }
    for name, column in columns.items():
        pyarrow.parquet.write_table(pyarrow.table({"text": texts, "vector": column}), folder / f"{name}.parquet")
        found, found_texts = read_vectors_and_texts(folder / f"{name}.parquet")
        assert found.equal(torch.from_numpy(vectors)), name
        assert found_texts == texts
    tensor = torch.from_numpy(vectors)
    for name, content in {"one": tensor, "named": {"v": tensor, "step": 5}, "rows": list(tensor)}.items():
        torch.save(content, folder / f"{name}.pt")
        assert read_vectors(folder / f"{name}.pt").equal(tensor)
    np.savez(folder / "v.npz", texts=np.array(texts), vectors=vectors)
    found, found_texts = read_vectors_and_texts(folder / "v.npz")
    assert found.equal(tensor)
    assert found_texts == texts


def test_every_json_layout_is_tried():
    values = [json.loads(TABLES[name][0](np.ones((2, 8)), ["a", "b"])) for name in TABLES if name.endswith("json")]
    values.append(json.loads(batch(np.ones((1, 8)), ["a"])))
    fitting = [{name for name, layout in LAYOUTS.items() if layout("line 1", value) is not None} for value in values]
    assert set.union(*fitting) == set(LAYOUTS)


@pytest.mark.parametrize("width", [16, 48, 128])
@pytest.mark.parametrize("mean", [0.0, 0.5])
@pytest.mark.parametrize("count", [60, 2000])
def test_packed_bits_are_told_from_quantized_numbers(tmp_path, width, mean, count):
    """Columns have means, as those of models have: some bits are nearly constant."""
    generator = np.random.default_rng(width)
    floats = generator.normal(size=(count, 8 * width)) + mean * generator.normal(size=8 * width)
    packed = np.packbits(floats > 0, axis=1)
    for name, array in {"ubinary": packed, "binary": (packed.astype(np.int16) - 128).astype(np.int8)}.items():
        np.save(tmp_path / "v.npy", array)
        (tmp_path / "v.jsonl").write_text(as_lines(array.tolist()))
        for path in (tmp_path / "v.npy", tmp_path / "v.jsonl"):
            with pytest.raises(DataError, match="eight signs packed into each") as error:
                read_vectors(path)
        unpack = re.search(r"np\.save\(path, (np\.unpackbits.*? - 1)\)", str(error.value))[1]
        signs = eval(unpack, {"np": np, "array": array})  # noqa: S307  # the advice is right
        assert np.array_equal(signs > 0, floats > 0), name
    low, high = floats.min(0), floats.max(0)
    quantized = ((floats - low) / (high - low) * 255 - 128).astype(np.int8)
    if width >= 48:  # where few columns leave no doubt
        np.save(tmp_path / "v.npy", quantized)
        with pytest.warns(UserWarning, match="precision='int8'"):
            assert read_vectors(tmp_path / "v.npy").equal(torch.from_numpy(quantized).float())


def test_two_sides_of_one_table(tmp_path):
    path = CASES / "42_texts_with_vectors" / "corpus.jsonl"
    questions, question_texts = read_vectors_and_texts(path, "question")
    answers, answer_texts = read_vectors_and_texts(path, "answer_embedding")
    assert question_texts[0] == "How do I reset my password?"
    assert answer_texts[0] == "Use the link on the sign-in page."
    assert questions.shape == answers.shape == (16, 16)
    (tmp_path / "v.csv").write_text("q_0,q_1,a_0,a_1\n1,2,3,4\n5,6,7,8")
    assert read_vectors(tmp_path / "v.csv", "a").tolist() == [[3, 4], [7, 8]]
    with pytest.raises(DataError, match="there is no column 'answers'"):
        read_vectors_and_texts(path, "question_embedding", "answers")


def test_texts_with_holes_are_told(tmp_path):
    (tmp_path / "v.jsonl").write_text('{"text": "a", "v": [1, 2]}\n{"text": null, "v": [3, 4]}')
    with pytest.warns(UserWarning, match="1 of 2 vectors have none, the first in line 2") as warned:
        assert read_vectors_and_texts(tmp_path / "v.jsonl")[1] is None
    assert warned[0].filename == __file__


def test_an_unordered_batch_and_failed_requests_are_told(tmp_path):
    lines = batch(np.ones((2, 8)), ["a", "b"]).replace("r-0", "a").replace("r-1", "b")
    failed = '\n{"custom_id": "c", "response": null, "error": {"message": "rate limit"}}'
    (tmp_path / "v.jsonl").write_text(lines + failed)
    with pytest.raises(DataError, match=r"line 3: a request that failed. Its error: {.message.: .rate limit.}"):
        read_vectors(tmp_path / "v.jsonl")
    with pytest.warns(UserWarning, match="its custom_id do not say"), pytest.warns(SkippedRows, match="line 3"):
        assert len(read_vectors(tmp_path / "v.jsonl", bad_rows="skip")) == 2


GOOD = {
    "30_openai_csv/ada.csv": True, "30_openai_csv/embedded.csv": True, "31_numpy_repr_csv/np.csv": True,
    "31_numpy_repr_csv/array.csv": True, "32_number_columns/cols.csv": False, "32_number_columns/savetxt.csv": False,
    "32_number_columns/vectors.tsv": False, "33_base64/b64.jsonl": True, "34_api_response/batch_output.jsonl": False,
    "36_npy_kinds/f16.npy": False, "36_npy_kinds/big.npy": False, "36_npy_kinds/fortran.npy": False,
    "38_parquet_vectors/list32.parquet": True, "38_parquet_vectors/fixed.parquet": False,
    "38_parquet_vectors/half.parquet": False, "38_parquet_vectors/strings.parquet": False,
    "38_parquet_vectors/blob.parquet": False, "39_pt_pkl_npz/emb.pt": False, "39_pt_pkl_npz/both.npz": True,
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_vectors_of_the_field(case):
    vectors, texts = read_vectors_and_texts(CASES / case)
    assert torch.allclose(vectors, read_vectors(CASES / "36_npy_kinds" / "f64.npy"), atol=3e-4)
    assert (texts is not None) is GOOD[case]
    assert looks_like_vectors(CASES / case)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("31_numpy_repr_csv/cut.csv", "line 2: the column 'embedding' holds numbers that were cut to '...'"),
        ("36_npy_kinds/one.npy", "shape (16,); expected real numbers, shape (n, dim). One vector trains nothing"),
        ("36_npy_kinds/three.npy", "shape (40, 1, 16); expected real numbers, shape (n, dim). An axis of length 1"),
        ("36_npy_kinds/objects.npy", "an array of Python objects, such as a list of vectors with holes"),
        ("37_packed_bits/binary.npy", "eight signs packed into each"),
        ("37_packed_bits/ubinary.npy", "eight signs packed into each"),
        ("38_parquet_vectors/holes.parquet", "row 6: the column 'embedding' holds null."),
        ("39_pt_pkl_npz/emb.pkl", "a pickle runs code when it is opened"),
        ("39_pt_pkl_npz/emb.h5", "import h5py, numpy"),
        ("40_two_files/narrow.npz", "(data.vector_column in a configuration; for pairs data.question_column"),
        ("41_nan_zero_vectors/e.jsonl", "line 4: a vector that cannot be used (NaN"),
    ],
)
def test_bad_vectors_of_the_field(case, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read_vectors(CASES / case)


@pytest.mark.parametrize("case", ["38_parquet_vectors/holes.parquet", "41_nan_zero_vectors/e.jsonl"])
def test_holes_of_the_field_are_counted(case):
    with pytest.warns(SkippedRows, match="2 of 40 rows are left out"):
        assert len(read_vectors(CASES / case, bad_rows="skip")) == 38


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.csv", 'text,embedding\na,"[0.1 0.2 ... 0.3]"', r"cut to '\.\.\.' .* are lost"),
        ("half.csv", 'text,embedding\na,"[0.1, 0.2, 0."\nb,"[0.1, 0.2, 0."', "text that is no list"),
        ("sparse.csv", 'text,embedding\na,"{1:0.5,3:0.2}/16"', "a sparse vector"),
        ("sparse.jsonl", '{"text": "a", "embedding": {"indices": [1, 5], "values": [0.5, 0.2]}}', "sparse"),
        ("tokens.jsonl", '{"text": "a", "embedding": [[0.5, 0.2], [0.1, 0.2]]}', "a text's tokens, write their mean"),
        ("tokens.json", '{"data": [{"index": 0, "embeddings": [[0.5, 0.2], [0.1, 0.2]]}]}', "embeddings"),
        ("v.pkl", "x", r"a pickle runs code .* numpy\.save"),
        ("v.h5", "x", r"h5py\.File"),
        ("v.bin", "x", "load_word2vec_format"),
        ("v.feather", "x", r"read_feather\(.*\)\.to_parquet"),
    ],
)
def test_vectors_that_cannot_be_read_are_not_taken_for_texts(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    assert looks_like_vectors(path)
    with pytest.raises(DataError, match=message):
        read_vectors(path)


@pytest.mark.parametrize(
    "content",
    [
        "text,embedding\nHello,vectors are 3 numbers",
        "text,embedding\nHello,all-MiniLM-L6-v2",
        "text,embedding\nHello,",
        "Ann,23,180\nBen,30,175",
        '{"text": "Hello", "embedding_model": {"name": "all-MiniLM-L6-v2"}, "embeddings": ["openai"], "vector": []}',
    ],
)
def test_texts_are_not_taken_for_vectors(tmp_path, content):
    path = tmp_path / ("a.jsonl" if content[0] == "{" else "a.csv")
    path.write_text(content)
    assert not looks_like_vectors(path)


def test_words_keep_their_blanks(tmp_path):
    """fastText's words hold blanks of other kinds than those that divide a line."""
    path = tmp_path / "wiki.vec"
    path.write_text("3 4\nthe 0.1 0.2 0.3 0.4 \na\u00a0b 0.1 0.2 0.3 0.5 \n\u2028 0.1 0.2 0.3 0.6 \n", encoding="utf-8")
    vectors, words_read = read_vectors_and_texts(path)
    assert words_read == ["the", "a\u00a0b", "\u2028"]
    assert vectors.shape == (3, 4)
