"""A file of texts becomes a file of vectors: right, once, and after whatever stopped it."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny_model import sentences

from cubelib.encoders import encode_file as module
from cubelib.encoders.cache import EmbeddingCache
from cubelib.encoders.encode_file import EncodeSummary, encode_file
from cubelib.encoders.encoder import TeacherEncoder, TruncationWarning
from cubelib.encoders.sentence_model import SentenceModel
from cubelib.encoders.teacher import MULTILINGUAL
from cubelib.errors import UserError

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def text_file(folder: Path, texts: list[str]) -> Path:
    path = folder / "texts.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """The batches that the model is asked for in this process."""
    batches: list[list[str]] = []
    vectors = SentenceModel.vectors

    def watched(self, texts, *more):
        batches.append(texts)
        return vectors(self, texts, *more)

    monkeypatch.setattr(SentenceModel, "vectors", watched)
    return batches


def encoded(tiny: Path, folder: Path, texts: list[str]) -> np.ndarray:
    return TeacherEncoder(tiny, cache_dir=folder / "other").encode(texts, progress=False).numpy()


def test_texts_are_encoded_once_longest_first_and_written_in_order(tiny, tmp_path, asked):
    texts = sentences(50)
    summary = encode_file(text_file(tmp_path, texts * 2), teacher=tiny, cache_dir=tmp_path / "cache", batch_size=8)
    assert [len(text) for batch in asked for text in batch] == sorted(map(len, texts), reverse=True)
    assert max(map(len, asked)) == 8
    assert (summary.out, summary.texts, summary.different, summary.encoded) == (tmp_path / "texts.npy", 100, 50, 50)
    written = np.load(tmp_path / "texts.npy")
    assert (written.dtype, written.shape) == (np.float32, (100, 12))
    np.testing.assert_allclose(written, encoded(tiny, tmp_path, texts * 2), atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "other", "texts.npy", "texts.txt"]


def test_columns_become_tensors(tiny, tmp_path):
    texts = sentences(40)
    rows = ["id,answer,question", *(f"{i},{texts[i]},{texts[i + 20]}" for i in range(20))]
    (tmp_path / "faq.csv").write_text("\n".join(rows), encoding="utf-8")
    options = {"columns": ["question", "answer"], "teacher": tiny, "cache_dir": tmp_path / "cache"}
    summary = encode_file(tmp_path / "faq.csv", **options)
    assert summary.shapes == {"question": (20, 12), "answer": (20, 12)}
    with safe_open(tmp_path / "faq.safetensors", framework="numpy") as file:
        assert file.metadata() == {"teacher": str(tiny)}
        written = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert sorted(written) == ["answer", "question"]
    np.testing.assert_allclose(written["question"], encoded(tiny, tmp_path, texts[20:]), atol=1e-6)
    np.testing.assert_allclose(written["answer"], encoded(tiny, tmp_path, texts[:20]), atol=1e-6)
    one = encode_file(tmp_path / "faq.csv", tmp_path / "a.npy", **{**options, "columns": ["answer"]})
    assert (np.load(one.out) == written["answer"]).all()


def test_the_file_is_the_same_in_however_many_blocks_it_is_written(tiny, tmp_path, monkeypatch, asked):
    file = text_file(tmp_path, sentences(50))
    whole = encode_file(file, teacher=tiny, cache_dir=tmp_path)
    monkeypatch.setattr(module, "_BLOCK", 7)
    asked.clear()
    parts = encode_file(file, tmp_path / "parts.npy", teacher=tiny, cache_dir=tmp_path)
    assert parts.out.read_bytes() == whole.out.read_bytes()
    assert asked == []
    assert (parts.different, parts.encoded) == (50, 0)


def test_the_summary_is_one_sentence_for_people():
    shapes = {"a": (5_000, 768), "b": (5_000, 768)}
    assert str(EncodeSummary(Path("s.safetensors"), shapes, 9_200, 5_100, 3, "tiny", 212.3)) == (
        "Encoded 10,000 texts (9,200 different) with tiny: 4,100 from the cache, 5,100 new, in 212 s. 3 are longer "
        "than the model reads and count only up to there. Wrote s.safetensors: a (5000, 768), b (5000, 768) float32."
    )


def test_texts_the_model_cuts_are_counted_before_the_work(tiny, tmp_path):
    texts = [*sentences(10), *(f"cat dog {'sea ' * 20}{number}" for number in range(5))]
    with pytest.warns(TruncationWarning, match="5 of 15 different texts"):
        summary = encode_file(text_file(tmp_path, texts), teacher=tiny, cache_dir=tmp_path, batch_size=2)
    assert summary.truncated == 5


STOPS = [
    (KeyboardInterrupt(), KeyboardInterrupt, ""),
    (MemoryError("too much"), UserError, "too much Use a smaller batch size, or fewer processes. "),
    (torch.OutOfMemoryError("too much"), UserError, "too much Use a smaller batch size, or fewer processes. "),
    (UserError("The disk is full."), UserError, r"The disk is full\. "),
]


@pytest.mark.parametrize(("stop", "raised", "said"), STOPS)
def test_a_stopped_job_says_what_is_kept_and_continues_there(tiny, tmp_path, monkeypatch, asked, stop, raised, said):
    file = text_file(tmp_path, sentences(40))
    options = {"teacher": tiny, "cache_dir": tmp_path / "cache", "batch_size": 10}
    vectors = SentenceModel.vectors

    def stopped(self, texts, *more):
        if len(asked) == 2:
            raise stop
        return vectors(self, texts, *more)

    with monkeypatch.context() as patch:
        patch.setattr(SentenceModel, "vectors", stopped)
        with pytest.raises(raised, match=f"{said}20 of 40 new texts are encoded and kept: the same command continues"):
            encode_file(file, **options)
    assert not (tmp_path / "texts.npy").exists()
    summary = encode_file(file, **options)
    assert (summary.different, summary.encoded) == (40, 20)
    fresh = encode_file(file, tmp_path / "fresh.npy", **{**options, "cache_dir": tmp_path / "fresh"})
    assert summary.out.read_bytes() == fresh.out.read_bytes()


def test_a_file_that_exists_is_replaced_only_if_it_may_be(tiny, tmp_path):
    out = tmp_path / "texts.npy"
    out.write_bytes(b"precious")
    file = text_file(tmp_path, sentences(5))
    with pytest.raises(UserError, match=r"texts\.npy exists and was left as it is.*--overwrite"):
        encode_file(file, teacher=tiny, cache_dir=tmp_path)
    encode_file(file, teacher=tiny, cache_dir=tmp_path, overwrite=True)
    assert np.load(out).shape == (5, 12)


@posix
def test_a_full_disk_is_named_and_no_half_file_stays(tiny, tmp_path):
    """The largest file that this process may write stands for the disk."""
    import resource

    file = text_file(tmp_path, sentences(100) * 100)
    options = {"teacher": tiny, "cache_dir": tmp_path / "cache"}
    encode_file(file, tmp_path / "first.npy", **options)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        with pytest.raises(UserError, match=r"cannot write .*texts\.npy, 0\.5 MB \(File too large\).*are kept"):
            encode_file(file, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "first.npy", "texts.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": "nowhere.txt"}, "nowhere.txt: there is no such file"),
        ({"out": "vectors.csv"}, r"cannot write vectors\.csv.*\.npy or \.safetensors"),
        ({"columns": ["text"]}, "a .txt file has no columns"),
        ({"file": "faq.csv", "columns": ["q", "a"], "out": "x.npy"}, r"cannot write x\.npy.* ends in \.safetensors"),
        ({"file": "faq.csv", "columns": ["q", "q"]}, "columns are 'q, q'. Name each column once"),
        ({"processes": 0}, "0 processes for 1 devices"),
        ({"processes": 1, "devices": ["cpu", "cpu"]}, "1 processes for 2 devices"),
        ({"devices": ["cpu", "abacus"], "processes": 2}, "device 'abacus' is not known"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"teacher": "all-mpnet"}, "unknown model 'all-mpnet'"),
        ({"teacher": MULTILINGUAL, "processes": 2, "batch_size": 1}, "runs in one process"),
        ({"file": "empty.txt"}, r"empty\.txt"),
    ],
)
def test_what_cannot_be_encoded_is_refused_at_once(tiny, tmp_path, monkeypatch, asked, options, message):
    monkeypatch.chdir(tmp_path)
    text_file(tmp_path, sentences(3))
    (tmp_path / "faq.csv").write_text("q,a\nwho,me\n")
    (tmp_path / "empty.txt").write_text("\n")
    before = sorted(tmp_path.iterdir())
    given = {"file": "texts.txt", "teacher": tiny, "cache_dir": tmp_path / "cache", "processes": 1, **options}
    with pytest.raises(UserError, match=message):
        encode_file(**given)
    assert asked == []
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "cache"] == before


# From here on several processes.


def test_two_processes_make_the_file_of_one(tiny, tmp_path):
    file = text_file(tmp_path, sentences(100) * 2)
    options = {"teacher": tiny, "batch_size": 5}
    two = encode_file(file, tmp_path / "two.npy", cache_dir=tmp_path / "two", processes=2, **options)
    assert (two.texts, two.different, two.encoded) == (200, 100, 100)
    assert not multiprocessing.active_children()
    one = encode_file(file, tmp_path / "one.npy", cache_dir=tmp_path / "one", **options)
    assert one.out.read_bytes() == two.out.read_bytes()


@posix
def test_a_process_that_dies_is_named_and_the_others_end(tiny, tmp_path, monkeypatch):
    from sentence_transformers import SentenceTransformer

    start = SentenceTransformer.start_multi_process_pool

    def start_and_kill(self, devices):
        pool = start(self, devices)
        pool["processes"][1].kill()
        pool["processes"][1].join()
        return pool

    monkeypatch.setattr(SentenceTransformer, "start_multi_process_pool", start_and_kill)
    file = text_file(tmp_path, sentences(100))
    with pytest.raises(UserError, match=r"^Encoding .*texts\.txt: .*died .*exit code -9.* of 100 new texts are encod"):
        encode_file(file, teacher=tiny, cache_dir=tmp_path, processes=2, batch_size=1)
    assert not multiprocessing.active_children()


def group_has_ended(leader: int) -> bool:
    for _ in range(1_000):
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@posix
@pytest.mark.filterwarnings("ignore::cubelib.encoders.encoder.TruncationWarning")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
def test_a_command_of_several_processes_ends_whole_and_continues_where_it_was_stopped(tiny, tmp_path, sent):
    """A kill hits the first process alone; Ctrl-C in a terminal reaches all."""
    count, cache_dir = 20_000, tmp_path / "cache"
    file = text_file(tmp_path, sentences(count))
    words = f"-m cubelib encode {file} --teacher {tiny} --batch-size 2 --processes 2".split()
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        env={**os.environ, "CUBELIB_CACHE": str(cache_dir), "COLUMNS": "500"},
    )
    stored = 0
    while stored < 64:
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        if (cache_dir / "embeddings.sqlite3").exists():
            with EmbeddingCache(cache_dir) as cache:
                stored = len(cache)
    (os.kill if sent == signal.SIGKILL else os.killpg)(process.pid, sent)
    _, told = process.communicate()
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[sent]
    assert group_has_ended(process.pid)
    assert [path.name for path in tmp_path.glob("texts*")] == ["texts.txt"]
    if sent == signal.SIGINT:
        assert re.search(r"\d+ of 20,000 new texts are encoded and kept: the same command", told)
        assert "Traceback" not in told and "leaked" not in told
    with EmbeddingCache(cache_dir) as cache:
        stored = len(cache)
    assert 64 <= stored < count
    summary = encode_file(file, teacher=tiny, cache_dir=cache_dir, batch_size=500)
    assert (summary.different, summary.encoded) == (count, count - stored)
    assert np.load(tmp_path / "texts.npy").shape == (count, 12)
