"""Data sets of the hub by name: downloads over a real connection from a small server of the test's own."""

import re
import shutil

import pyarrow
import pyarrow.parquet
import pytest
from fake_hub import COMMIT, FakeHub
from test_hub import use

from cubelib.data.readers import hub_table, read_conversations, read_pairs, read_texts, read_vectors
from cubelib.errors import DataError

CONVERTED = "refs/convert/parquet"
ROWS = [{"question": f"Q{i}?", "answer": f"a{i}", "messages": ["q", f"{i}"], "embedding": [1.0, i]} for i in range(6)]
PAIRS = [{key: row[key] for key in ("question", "answer")} for row in ROWS]


class ConvertedHub(FakeHub):
    """A hub that has converted all data sets: the folders are what it made of them."""

    def answer(self, path):
        return super().answer(path.replace(CONVERTED, "main"))


def write(folder, **files):
    """Parquet files of ROWS[slice], by their names with __ for /."""
    for name, rows in files.items():
        path = folder / f"{name.replace('__', '/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS[rows]), path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitattributes").write_text("*.parquet filter=lfs")
    (folder / "README.md").write_text("# Rows")
    return folder


@pytest.fixture
def data(tmp_path):
    """Data sets as the hub converts them."""
    folder = tmp_path / "data"
    shards = {
        "default__train__0001": slice(2, 4),
        "default__train__0000": slice(2),
        "default__train__0002": slice(4, 6),
    }
    write(folder / "one", **shards, default__test__0000=slice(5, 6))
    write(folder / "two", en__train__0000=slice(1), ru__train__0000=slice(1, 2), ru__validation__0000=slice(2, 3))
    write(folder / "odd", **{"a[b]c__train__0000": slice(6), "abc__train__0000": slice(1)})
    write(folder / "gated", default__train__0000=slice(6))
    write(folder / "none").joinpath("rows.csv").write_text("question,answer\n")
    return {f"org/{path.name}": path for path in folder.iterdir()}


@pytest.fixture
def hub(data, tmp_path, monkeypatch):
    with ConvertedHub(data, gated=["org/gated"]) as hub:
        use(hub, tmp_path, monkeypatch)
        yield hub


def test_every_reader_takes_the_name_of_a_data_set(hub):
    assert read_pairs("hub:org/one") == PAIRS
    assert read_texts("hub:org/one", column="answer") == [pair["answer"] for pair in PAIRS]
    assert read_conversations("hub:org/one") == [row["messages"] for row in ROWS]
    assert read_vectors("hub:org/one").tolist() == [row["embedding"] for row in ROWS]


def test_shards_come_in_order_and_only_those_of_the_split(hub):
    files = hub_table("hub:org/one")
    assert [file.name for file in files] == ["0000.parquet", "0001.parquet", "0002.parquet"]
    assert not [request for request in hub.requests if "test/0000" in request]
    assert read_pairs(hub_table("hub:org/one", split="test")) == PAIRS[5:]


def test_a_download_that_lost_a_shard_is_completed(hub):
    hub_table("hub:org/one")[1].unlink()
    assert read_pairs("hub:org/one") == PAIRS


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("two", {}, "two: which config is meant? Found: en, ru. Choose one: hub_table('hub:org/two', config='…')"),
        ("two", {"config": "rus"}, "Reading hub:org/two: there is no config 'rus'. Found: en, ru."),
        ("two", {"config": "ru", "split": "test"}, "two: there is no split 'test'. Found: train, validation."),
        ("none", {}, "Reading hub:org/none: the data set has no Parquet files."),
    ],
)
def test_what_is_not_clear_is_asked_with_what_there_is(hub, name, choice, message):
    with pytest.raises(DataError, match=re.escape(message)):
        hub_table(f"hub:org/{name}", **choice)
    assert not [request for request in hub.requests if request.endswith(".parquet")], "nothing is fetched on a guess"


def test_a_config_is_chosen_by_name(hub):
    assert read_pairs(hub_table("hub:org/two", config="ru")) == PAIRS[1:2]
    assert read_pairs(hub_table("hub:org/two", config="ru", split="validation")) == PAIRS[2:3]


def test_a_config_may_have_an_odd_name(hub):
    assert read_pairs(hub_table("hub:org/odd", config="a[b]c")) == PAIRS
    assert not [request for request in hub.requests if "abc/" in request]


@pytest.mark.parametrize(
    "files",
    [
        {"data__train-00001-of-00002": slice(3, 6), "data__train-00000-of-00002": slice(3), "data__test-0": slice(1)},
        {"train": slice(6), "test": slice(1)},
        {"default__train__0000": slice(6)},
    ],
)
def test_what_the_hub_has_not_converted_comes_from_its_own_parquet_files(tmp_path, monkeypatch, files):
    with FakeHub({"org/own": write(tmp_path / "own", **files)}) as hub:
        use(hub, tmp_path, monkeypatch)
        assert read_pairs("hub:org/own") == PAIRS
        assert any(CONVERTED in request for request in hub.requests)
        assert not [request for request in hub.requests if "test" in request]


def test_a_part_that_another_program_put_there_is_not_taken_for_the_whole(hub, data, tmp_path):
    """As hf_hub_download leaves it: a commit, some of its files, and no list of all."""
    repository = tmp_path / "hub" / "datasets--org--one"
    (repository / "refs" / CONVERTED).parent.mkdir(parents=True)
    (repository / "refs" / CONVERTED).write_text(COMMIT)
    shard = repository / "snapshots" / COMMIT / "default" / "train" / "0000.parquet"
    shard.parent.mkdir(parents=True)
    shutil.copy(data["org/one"] / "default" / "train" / "0000.parquet", shard)
    (repository / "snapshots" / COMMIT / ".gitattributes").touch()
    with pytest.raises(DataError, match=r"another program put a part of this data set into .* Move that folder away"):
        hub_table("hub:org/one")
    shutil.rmtree(repository / "snapshots")
    assert read_pairs("hub:org/one") == PAIRS
