"""A file of texts becomes a file of vectors: right, once, and after whatever stopped it."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny_model import WORDS, make_tiny_model

from cubelib.cli.encode import encode_command, encode_parser
from cubelib.encoders import encode_file as encode
from cubelib.encoders import sentence_model
from cubelib.encoders import worker_pool as encode_crew
from cubelib.encoders.cache import EmbeddingCache, embedding_key
from cubelib.encoders.encode_file import EncodeSummary, encode_file
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.encoders.sentence_model import SentenceModel
from cubelib.errors import ConfigError, DataError, UserError

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def sentences(count: int) -> list[str]:
    """Different sentences of 2 to 10 words."""
    chooser = np.random.default_rng(0)
    return [" ".join([*chooser.choice(WORDS, chooser.integers(1, 10)), str(number)]) for number in range(count)]


def text_file(folder: Path, texts: list[str]) -> Path:
    path = folder / "texts.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def table(folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / "faq.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """The batches that the model is asked for in this process."""
    batches: list[list[str]] = []
    vectors = SentenceModel.vectors
    monkeypatch.setattr(
        SentenceModel, "vectors", lambda self, some: (batches.append(list(some)), vectors(self, some))[1]
    )
    return batches


def encoded(tiny: Path, folder: Path, texts: list[str]) -> np.ndarray:
    return TeacherEncoder(tiny, cache_dir=folder / "other").encode(texts, progress=False).numpy()


def test_the_vectors_stand_in_the_order_of_the_lines(tiny, tmp_path):
    texts = sentences(50)
    summary = encode_file(text_file(tmp_path, texts), teacher=tiny, cache_dir=tmp_path / "cache", batch_size=8)
    found = np.load(tmp_path / "texts.npy")
    assert (found.dtype, found.shape) == (np.float32, (50, 12))
    np.testing.assert_allclose(found, encoded(tiny, tmp_path, texts), atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "other", "texts.npy", "texts.txt"]
    assert summary.out == tmp_path / "texts.npy"


def test_columns_become_tensors(tiny, tmp_path):
    texts = sentences(40)
    rows = [{"id": str(i), "answer": texts[i], "question": texts[i + 20]} for i in range(20)]
    options = {"columns": ["question", "answer"], "teacher": tiny, "cache_dir": tmp_path / "cache"}
    summary = encode_file(table(tmp_path, rows), **options)
    with safe_open(tmp_path / "faq.safetensors", framework="numpy") as file:
        assert sorted(file.keys()) == ["answer", "question"]
        assert file.metadata() == {"teacher": str(tiny)}
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    np.testing.assert_allclose(found["question"], encoded(tiny, tmp_path, texts[20:]), atol=1e-6)
    np.testing.assert_allclose(found["answer"], encoded(tiny, tmp_path, texts[:20]), atol=1e-6)
    assert summary.shapes == {"question": (20, 12), "answer": (20, 12)}
    one = encode_file(tmp_path / "faq.csv", tmp_path / "a.npy", **{**options, "columns": ["answer"]})
    assert (np.load(one.out) == found["answer"]).all()
    same = encode_file(tmp_path / "faq.csv", tmp_path / "a.safetensors", **{**options, "columns": ["answer"]})
    with safe_open(same.out, framework="numpy") as file:
        assert (file.get_tensor("answer") == found["answer"]).all()


def test_a_text_that_occurs_many_times_is_encoded_once_longest_first(tiny, tmp_path, asked):
    texts = sentences(30) * 3
    summary = encode_file(text_file(tmp_path, texts), teacher=tiny, cache_dir=tmp_path, batch_size=7)
    wanted = [text for batch in asked for text in batch if text in set(texts)]  # without a look at the model's width
    assert sorted(wanted) == sorted(texts[:30])
    assert [len(text) for text in wanted] == sorted(map(len, texts[:30]), reverse=True)
    assert max(map(len, asked)) == 7
    assert (summary.texts, summary.different, summary.encoded) == (90, 30, 30)
    found = np.load(tmp_path / "texts.npy")
    assert (found[:30] == found[30:60]).all()


def test_the_file_is_the_same_in_however_many_blocks_it_is_written(tiny, tmp_path, monkeypatch, asked):
    file = text_file(tmp_path, sentences(50))
    whole = encode_file(file, teacher=tiny, cache_dir=tmp_path)
    monkeypatch.setattr(encode, "_BLOCK", 7)
    monkeypatch.setattr(encode, "encode_batch", None)  # nothing is left for it
    asked.clear()
    parts = encode_file(file, tmp_path / "parts.npy", teacher=tiny, cache_dir=tmp_path)
    assert parts.out.read_bytes() == whole.out.read_bytes()
    assert asked == []
    assert (parts.different, parts.encoded) == (50, 0)


def test_what_a_cache_has_is_not_encoded_and_the_warm_cache_counts(tmp_path):
    texts = ["How are you?", "What is AI?", "Who are you?"]
    summary = encode_file(text_file(tmp_path, texts * 2), cache_dir=tmp_path)
    assert (summary.texts, summary.different, summary.encoded) == (6, 3, 0)
    expected = TeacherEncoder(cache_dir=tmp_path).encode(texts * 2).numpy()
    assert (np.load(summary.out) == expected).all()


def test_the_summary_is_one_sentence_for_people():
    summary = EncodeSummary(Path("s.npy"), {"text": (10_000, 768)}, 9_200, 5_100, 0, "all-mpnet-base-v2", 212.3)
    assert str(summary) == (
        "Encoded 10,000 texts (9,200 different) with all-mpnet-base-v2: 4,100 from the cache, 5,100 new, in 212 s. "
        "Wrote s.npy: (10000, 768) float32."
    )
    summary = EncodeSummary(Path("s.safetensors"), {"a": (5, 2), "b": (5, 2)}, 9, 9, 3, "tiny", 1)
    assert "in 1 s. 3 were longer than the model reads and count only up to there. Wrote s.s" in str(summary)
    assert str(summary).endswith("Wrote s.safetensors: a (5, 2), b (5, 2) float32.")


def test_texts_the_model_cuts_are_counted_over_all_batches(tiny, tmp_path, recwarn):
    texts = [*sentences(10), *(f"cat dog {'sea ' * 20}{number}" for number in range(5))]
    summary = encode_file(text_file(tmp_path, texts), teacher=tiny, cache_dir=tmp_path, batch_size=2)
    assert summary.truncated == 5
    assert not [one for one in recwarn if issubclass(one.category, UserWarning)]


def test_an_interrupted_job_says_what_is_kept_and_continues_there(tiny, tmp_path, monkeypatch):
    texts = sentences(40)
    file = text_file(tmp_path, texts)
    options = {"teacher": tiny, "cache_dir": tmp_path / "cache", "batch_size": 10, "progress": False}
    batches: list[list[str]] = []
    vectors = SentenceModel.vectors

    def interrupted(self, some):
        if len(some) > 1:
            batches.append(list(some))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return vectors(self, some)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceModel, "vectors", interrupted)
        with pytest.raises(
            KeyboardInterrupt, match=r"^20 of 40 new texts are encoded and kept: the same command contin"
        ):
            encode_file(file, **options)
    assert not (tmp_path / "texts.npy").exists()
    summary = encode_file(file, **options)
    assert (summary.different, summary.encoded) == (40, 20)
    fresh = encode_file(file, tmp_path / "fresh.npy", **{**options, "cache_dir": tmp_path / "fresh"})
    assert summary.out.read_bytes() == fresh.out.read_bytes()


@pytest.mark.parametrize("error", [MemoryError("too much"), torch.OutOfMemoryError("too much")])
def test_where_memory_runs_out_a_smaller_batch_is_advised(tiny, tmp_path, monkeypatch, error):
    def vectors(self, some):
        raise error

    TeacherEncoder(tiny).load()
    file = text_file(tmp_path, ["cat", "cat dog"])
    monkeypatch.setattr(SentenceModel, "load", lambda *_: None)
    monkeypatch.setattr(SentenceModel, "too_long", lambda self, some: [False] * len(some))
    monkeypatch.setattr(SentenceModel, "vectors", vectors)
    with pytest.raises(
        UserError, match=r"memory ran out at a batch of 2 texts of up to 7 letters.*smaller batch.*0 of 2"
    ):
        encode_file(file, teacher=tiny, cache_dir=tmp_path)


@pytest.mark.filterwarnings("ignore:EmbeddingCache")
def test_a_cache_smaller_than_the_file_serves_until_the_end(tiny, tmp_path, monkeypatch, asked):
    monkeypatch.setenv("CUBELIB_CACHE_LIMIT", "1 kB")
    texts = sentences(60)
    summary = encode_file(text_file(tmp_path, texts), teacher=tiny, cache_dir=tmp_path / "cache", batch_size=8)
    counts = Counter(text for batch in asked for text in batch)
    assert all(counts[text] == 1 for text in texts)
    monkeypatch.delenv("CUBELIB_CACHE_LIMIT")
    np.testing.assert_allclose(np.load(summary.out), encoded(tiny, tmp_path, texts), atol=1e-6)
    with EmbeddingCache(tmp_path / "cache") as cache:
        assert len(cache) == 0


def test_a_cache_that_somebody_clears_meanwhile_costs_time_only(tiny, tmp_path, monkeypatch):
    texts = sentences(30)
    write = encode._write

    def cleared(*given):
        with EmbeddingCache(tmp_path / "cache") as cache:
            assert cache.clear() == 30
        return write(*given)

    monkeypatch.setattr(encode, "_write", cleared)
    summary = encode_file(text_file(tmp_path, texts), teacher=tiny, cache_dir=tmp_path / "cache")
    np.testing.assert_allclose(np.load(summary.out), encoded(tiny, tmp_path, texts), atol=1e-6)


def test_a_file_that_exists_is_left_unless_it_may_be_replaced(tiny, tmp_path, asked):
    file = text_file(tmp_path, sentences(5))
    out = tmp_path / "texts.npy"
    out.write_bytes(b"precious")
    with pytest.raises(DataError, match=r"texts\.npy exists and was left as it is.*--overwrite"):
        encode_file(file, teacher=tiny, cache_dir=tmp_path)
    assert out.read_bytes() == b"precious"
    assert asked == []
    encode_file(file, teacher=tiny, cache_dir=tmp_path, overwrite=True)
    assert np.load(out).shape == (5, 12)


def test_a_file_that_comes_meanwhile_is_left_too(tiny, tmp_path, monkeypatch):
    header = encode._write_header

    def slow(*given):
        (tmp_path / "texts.npy").write_bytes(b"precious")
        header(*given)

    monkeypatch.setattr(encode, "_write_header", slow)
    with pytest.raises(DataError, match=r"texts\.npy exists and was left"):
        encode_file(text_file(tmp_path, sentences(5)), teacher=tiny, cache_dir=tmp_path)
    assert (tmp_path / "texts.npy").read_bytes() == b"precious"
    assert not list(tmp_path.glob("*.part"))


def test_half_a_file_of_a_killed_job_is_removed_and_one_being_written_is_not(tiny, tmp_path):
    file = text_file(tmp_path, sentences(5))
    old, new, other = (tmp_path / name for name in ("texts.npy.11.part", "texts.npy.12.part", "my texts.npy.11.part"))
    for path in (old, new, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (time.time() - 7_200,) * 2)
    encode_file(file, teacher=tiny, cache_dir=tmp_path)
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


@posix
def test_a_full_disk_is_named_and_no_half_file_stays(tiny, tmp_path):
    """The most this process may write into a file stands for the disk."""
    import resource

    file = text_file(tmp_path, sentences(100) * 100)
    options = {"teacher": tiny, "cache_dir": tmp_path / "cache"}
    encode_file(file, tmp_path / "first.npy", **options)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        with pytest.raises(
            UserError, match=r"cannot write .*texts\.npy \(File too large\)\. It takes 0\.5 MB.*are kept"
        ):
            encode_file(file, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "first.npy", "texts.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": "nowhere.txt"}, "nowhere.txt: there is no such file"),
        ({"out": "vectors.csv"}, r"cannot write vectors\.csv.*\.npy or \.safetensors"),
        ({"out": "no folder/x.npy"}, "there is no folder no folder for x.npy"),
        ({"columns": ["text"]}, "a .txt file has no columns"),
        (
            {"file": "faq.csv", "columns": ["q", "a"], "out": "x.npy"},
            r"cannot write x\.npy.*several into a \.safetensors",
        ),
        ({"file": "faq.csv", "columns": ["q", "q"]}, "columns are 'q, q'. Name each column once"),
        ({"file": "faq.csv", "columns": []}, "columns are ''. Name each column once"),
        ({"processes": 0}, "0 processes for 1 devices"),
        ({"processes": 1, "devices": ["cpu", "cpu"]}, "1 processes for 2 devices"),
        ({"devices": []}, "1 processes for 0 devices"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"teacher": len}, "the teacher must be a name or a folder"),
        ({"teacher": "all-mpnet"}, "unknown model 'all-mpnet'"),
        ({"file": "empty.txt"}, r"empty\.txt.*"),
        ({"file": "uneven.csv", "columns": ["q", "a"]}, r"different numbers of texts \(q 2, a 1\)"),
        ({"file": "half.csv", "columns": ["q", "a"]}, r"half\.csv: text 2 of 'a' holds half of a surrogate pair.*x"),
        ({"file": "blank.csv", "columns": ["q", "a"]}, r"blank\.csv: text 2 of 'q' is empty"),
    ],
)
def test_what_cannot_be_encoded_is_refused_at_once(tiny, tmp_path, monkeypatch, asked, options, message):
    monkeypatch.chdir(tmp_path)
    text_file(tmp_path, sentences(3))
    table(tmp_path, [{"q": "who", "a": "me"}])
    (tmp_path / "empty.txt").write_text("\n")
    for name in ("uneven", "half", "blank"):
        (tmp_path / f"{name}.csv").write_text("q,a\n")
    read = {
        ("uneven.csv", "q"): ["one", "two"],
        ("uneven.csv", "a"): ["one"],
        ("half.csv", "q"): ["one", "two"],
        ("half.csv", "a"): ["one", "x\ud83d"],
        ("blank.csv", "q"): ["one", " \t"],
        ("blank.csv", "a"): ["one", "two"],
    }
    reader = encode.read_texts
    monkeypatch.setattr(encode, "read_texts", lambda *given: read.get((given[0].name, *given[1:])) or reader(*given))
    before = sorted(tmp_path.iterdir())
    given = {"file": "texts.txt", "teacher": tiny, "cache_dir": tmp_path / "cache", "processes": 1, **options}
    with pytest.raises(UserError, match=message):
        encode_file(**given)
    assert asked == []
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == before


# From here on several processes. Theirs is a small stand-in for sentence_transformers: it loads at once, notes what it
# is asked for, takes its time or waits for the first batch of another process, and dies or fails at certain words.
STAND_IN = """
import hashlib, os, time
import numpy as np

class SentenceTransformer:
    max_seq_length, tokenizer, prompts, default_prompt_name = 99, object(), {}, None

    def __init__(self, folder, **_):
        time.sleep(0.1)

    def get_embedding_dimension(self):
        return 8

    def encode(self, texts, **_):
        if "die" in texts:
            os.kill(os.getpid(), 9)
        with open(os.environ["ASKED"], "a") as file:
            file.write("".join(f"{os.getpid()} {text}\\n" for text in texts))
        while os.environ.get("TOGETHER") and len({line.split()[0] for line in open(os.environ["ASKED"])}) < 2:
            time.sleep(0.01)
        time.sleep(float(os.environ.get("SECONDS", "0")))
        digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts]
        return np.array([list(digest) for digest in digests]) * np.float32("zero" not in texts)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Path:
    """The folder of a model that is loaded with the stand-in, also in the processes started from here on."""
    libraries = tmp_path / "libraries"
    (libraries / "transformers" / "utils").mkdir(parents=True)
    (libraries / "sentence_transformers.py").write_text(STAND_IN)
    (libraries / "transformers" / "__init__.py").touch()
    (libraries / "transformers" / "utils" / "__init__.py").touch()
    lines = "def {}(): pass\n" * 3
    names = ["is_progress_bar_enabled", "disable_progress_bar", "enable_progress_bar"]
    (libraries / "transformers" / "utils" / "logging.py").write_text(lines.format(*names))
    model = tmp_path / "model"
    model.mkdir()
    (model / "modules.json").write_text("[]")
    (model / "model.safetensors").write_bytes(b"weights")
    here: dict[str, type] = {}
    exec(STAND_IN, here)
    monkeypatch.setattr(sentence_model, "_load_offline", lambda folder, _: here["SentenceTransformer"](folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(libraries), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(libraries))  # what multiprocessing hands on
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "cache"))
    return model


def asked_of_all(folder: Path) -> dict[str, str]:
    """Text → the process that encoded it; no text twice."""
    lines = [line.split(" ", 1) for line in (folder / "asked").read_text().splitlines() if not line.endswith(" text")]
    assert len({text for _, text in lines}) == len(lines)
    return {text: process for process, text in lines}


def command(*words: object, **settings: object) -> subprocess.Popen:
    """The command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cubelib", "encode", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        env={**os.environ, **{name: str(value) for name, value in settings.items()}},
    )


def wait_for(stored: int, cache_dir: Path, process: subprocess.Popen) -> None:
    for _ in range(3_000):
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        if (cache_dir / "embeddings.sqlite3").exists():
            with EmbeddingCache(cache_dir) as cache:
                if len(cache) >= stored:
                    return
    raise AssertionError("nothing was stored for a minute")


def group_has_ended(leader: int) -> bool:
    for _ in range(250):
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_two_processes_share_the_work_and_make_the_file_of_one(tmp_path, stand_in, monkeypatch):
    monkeypatch.setenv("TOGETHER", "yes")
    texts = sentences(300)
    file = text_file(tmp_path, texts * 2)
    two = encode_file(file, tmp_path / "two.npy", teacher=stand_in, processes=2, batch_size=5)
    assert (two.texts, two.different, two.encoded) == (600, 300, 300)
    shared = asked_of_all(tmp_path)
    assert set(shared) == set(texts)
    assert len(set(shared.values())) == 2
    assert str(os.getpid()) not in shared.values()
    assert not encode_crew.multiprocessing.active_children()
    monkeypatch.delenv("TOGETHER")
    (tmp_path / "asked").unlink()
    one = encode_file(file, tmp_path / "one.npy", teacher=stand_in, cache_dir=tmp_path / "fresh", batch_size=5)
    assert one.out.read_bytes() == two.out.read_bytes()
    assert set(asked_of_all(tmp_path).values()) == {str(os.getpid())}


@posix
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
def test_a_job_of_several_processes_continues_where_it_was_stopped(tmp_path, stand_in, sent):
    texts = sentences(200)
    words = [text_file(tmp_path, texts), "--teacher", stand_in, "--batch-size", 2]
    process = command(*words, "--processes", 2, SECONDS=0.02)
    wait_for(60, tmp_path / "cache", process)
    os.killpg(process.pid, sent)
    told = process.communicate()
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[sent]
    assert group_has_ended(process.pid)
    assert sorted(path.name for path in tmp_path.glob("texts*")) == ["texts.txt"]
    if sent == signal.SIGINT:
        assert re.search(r"interrupted\. \d+ of 200 new texts are encoded and kept: the same command", told[1])
        assert "Traceback" not in told[1] and "leaked" not in told[1]
    with EmbeddingCache(tmp_path / "cache") as cache:
        stored = len(cache)
    assert 60 <= stored < 200
    (tmp_path / "asked").unlink()
    summary = encode_file(words[0], teacher=stand_in)
    assert (summary.different, summary.encoded) == (200, 200 - stored)
    assert len(asked_of_all(tmp_path)) == 200 - stored
    assert np.load(tmp_path / "texts.npy").shape == (200, 8)


@posix
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("die", r"process 1 of 2 \(cpu\) was ended by signal 9, perhaps by the system because memory ran out"),
        ("zero", r"vectors that are zero or not finite"),
    ],
)
def test_a_process_that_does_not_survive_is_named_and_the_others_end(tmp_path, stand_in, word, said):
    texts = [*(text for text in sentences(60) if len(text) > 8), word]
    file = text_file(tmp_path, texts)
    count = len(texts)
    with pytest.raises(
        UserError, match=rf"^Encoding .*texts\.txt: .*{said}.* {count - 1} of {count} new texts are enc"
    ):
        encode_file(file, teacher=stand_in, processes=2, batch_size=1)
    assert not encode_crew.multiprocessing.active_children()
    assert not (tmp_path / "texts.npy").exists()
    with EmbeddingCache() as cache:
        assert len(cache) == count - 1


def test_a_process_that_ends_by_itself_is_named():
    ours, theirs = encode_crew.multiprocessing.Pipe()
    theirs.close()
    process = SimpleNamespace(join=lambda _: None, exitcode=1)
    with pytest.raises(
        UserError, match=r"^process 2 of 3 \(cuda:1\) ended with exit code 1; what it said stands above"
    ):
        encode_crew._answer(encode_crew._Worker("process 2 of 3 (cuda:1)", process, ours))


def test_a_process_whose_employer_is_gone_goes_home():
    ours, theirs = encode_crew.multiprocessing.Pipe()
    ours.send(["a batch"])
    assert encode_crew._tell(theirs, encode_crew.Progress(0, 0, 0)) == ["a batch"]
    ours.close()
    assert encode_crew._tell(theirs, encode_crew.Progress(1, 1, 0)) == []


@posix
def test_the_same_job_twice_at_once_makes_equal_files_and_one_whole_cache(tmp_path, stand_in):
    texts = sentences(300)
    file = text_file(tmp_path, texts)
    both = [command(file, "--out", tmp_path / f"{n}.npy", "--teacher", stand_in, TOGETHER="yes") for n in (1, 2)]
    for process in both:
        assert (process.communicate()[1].count("Traceback"), process.returncode) == (0, 0)
    assert (tmp_path / "1.npy").read_bytes() == (tmp_path / "2.npy").read_bytes()
    encoder = TeacherEncoder(stand_in)
    with EmbeddingCache() as cache:
        assert len(cache) == 300
        found = cache.get_many([embedding_key(encoder.sha256, encoder.tag, text) for text in texts])
    assert len(found) == 300
    assert (encoder.encode(texts).numpy() == np.load(tmp_path / "1.npy")).all()


def test_the_command_reads_its_options(tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(encode, "encode_file", lambda *some, **more: given.update(more, some=some))
    encode_command(["faq.csv"])
    assert given.pop("some") == ("faq.csv", None)
    assert (given["devices"], given["processes"], given["overwrite"], given["columns"]) == (["cpu"], None, False, None)
    line = "faq.csv --columns a,b --out x.safetensors --teacher m --device cuda:0,cuda:1 --processes 2 --batch-size 64"
    encode_command([*line.split(), "--overwrite"])
    assert given == {
        "some": ("faq.csv", "x.safetensors"),
        "columns": ["a", "b"],
        "teacher": "m",
        "devices": ["cuda:0", "cuda:1"],
        "processes": 2,
        "batch_size": 64,
        "overwrite": True,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: FILE"),
        (["a.txt", "b.txt"], "unrecognized arguments: b.txt"),
        (["a.txt", "--batch-size", "many"], "argument --batch-size: invalid int value: 'many'"),
        (["a.txt", "--over"], "unrecognized arguments: --over"),
    ],
)
def test_a_mistyped_command_is_one_sentence(words, message):
    with pytest.raises(ConfigError, match=re.escape(message) + r"\. See python -m cubelib encode --help\."):
        encode_command(words)


def test_the_help_names_every_option():
    told = encode_parser().format_help()
    for option in ("--columns", "--out", "--teacher", "--device", "--processes", "--batch-size", "--overwrite"):
        assert option in told
