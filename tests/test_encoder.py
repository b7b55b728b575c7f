"""TeacherEncoder with a tiny real sentence-transformers model: order, identity, resumption. And the real teacher."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cubelib import corpora, sentence_model, teacher
from cubelib.cache import EmbeddingCache, cache_folder, embedding_key
from cubelib.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError
from cubelib.identity import WEIGHTS
from cubelib.sentence_model import SentenceModel

WORDS = ["red", "green", "blue", "cat", "dog", "house", "tree", "sea", "runs", "sleeps", "shines", "sings"]


def sentences(count: int) -> list[str]:
    """Different sentences of 2 to 12 words."""
    chooser = random.Random(0)
    return [" ".join([*chooser.choices(WORDS, k=chooser.randint(1, 11)), str(number)]) for number in range(count)]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A sentence-transformers folder of a real, untrained, very small model: 12 numbers, mean pooling, 16 tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokens), hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(folder)
    kinds = ["Transformer", "Pooling"]
    modules = [
        {"idx": i, "name": str(i), "path": f"1_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 16, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 12, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.fixture
def no_model(monkeypatch):
    """The real model cannot be loaded."""

    def refuse(folder, device):
        raise AssertionError(f"the model in {folder} was loaded")

    monkeypatch.setattr(sentence_model, "_load_offline", refuse)


def test_vectors_are_unit_float32_in_the_order_of_the_texts(tiny, tmp_path):
    texts = sentences(40)
    together = TeacherEncoder(tiny, cache_dir=tmp_path / "a", batch_size=8).encode(texts)
    alone = torch.cat([TeacherEncoder(tiny, cache_dir=tmp_path / "b").encode([text]) for text in texts[:3]])
    assert (together.shape, together.dtype) == ((40, 12), torch.float32)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(40))
    torch.testing.assert_close(together[:3], alone, atol=1e-5, rtol=0)
    assert len({tuple(row) for row in together.tolist()}) == 40


def test_a_text_that_occurs_twice_is_encoded_once(tiny, tmp_path):
    one, other = sentences(2)
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    vectors = encoder.encode([one, other, one, one])
    assert (encoder.hits, encoder.misses) == (2, 2)
    assert vectors[0].equal(vectors[2])
    assert vectors[0].equal(vectors[3])
    assert not vectors[0].equal(vectors[1])


def test_the_second_time_no_model_is_loaded_and_every_bit_is_the_same(tiny, tmp_path, monkeypatch, request):
    texts = sentences(30)
    first = TeacherEncoder(tiny, cache_dir=tmp_path, batch_size=7).encode(texts)
    request.getfixturevalue("no_model")
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    assert encoder.encode(texts).equal(first)
    assert (encoder.hits, encoder.misses) == (30, 0)
    chosen = [17, 3, 3, 29]
    assert encoder.encode([texts[i] for i in chosen]).equal(first[chosen])
    with pytest.raises(AssertionError, match="was loaded"):  # the guard does guard
        encoder.encode(["a text nobody knows"])


def test_a_long_text_is_cut_where_the_model_stops_reading(tiny, tmp_path):
    start = " ".join(["cat"] * 14)  # with the two marks around it, the 16 tokens this model reads
    short, long, shorter = TeacherEncoder(tiny, cache_dir=tmp_path).encode([start, f"{start} sea sea", start[:-4]])
    torch.testing.assert_close(short, long)
    assert not torch.allclose(short, shorter, atol=1e-4)


def test_no_texts_give_no_rows(no_model):
    encoder = TeacherEncoder()
    assert encoder.encode([]).shape == (0, 768)
    assert (encoder.hits, encoder.misses) == (0, 0)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["good", ""], "text 1 of 2: it is empty or only white space"),
        (["good", "good", " \t\n\u00a0"], "text 2 of 3: it is empty or only white space"),
        ([None, "good"], "text 0 of 2: it is of type NoneType, not str"),
        (["good", b"bytes"], "text 1 of 2: it is of type bytes, not str"),
        (["good", "half \ud83d"], "text 1 of 2: it holds half of a surrogate pair"),
        ("good", "a list of texts. Given one str"),
    ],
)
def test_a_text_that_cannot_be_encoded_is_named_by_its_index(no_model, texts, message):
    with pytest.raises(DataError, match=message):
        TeacherEncoder().encode(texts)


def test_an_unknown_model_is_answered_with_what_is_known(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown model 'all-minilm'. Known: 'all-mpnet-base-v2'.*save_pretrained"):
        TeacherEncoder("all-minilm")
    with pytest.raises(DataError, match=r"it has no modules\.json"):
        TeacherEncoder(tmp_path)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        TeacherEncoder(batch_size=0)


def test_a_changed_pooling_is_another_model(tiny, tmp_path):
    before = TeacherEncoder(tiny)
    copy = tmp_path / "copy"
    _copy(tiny, copy)
    assert (TeacherEncoder(copy).sha256, TeacherEncoder(copy).tag) == (before.sha256, before.tag)
    settings = copy / "1_Pooling" / "config.json"
    settings.write_text(settings.read_text().replace("mean_tokens", "max_tokens"))
    assert TeacherEncoder(copy).sha256 == before.sha256
    assert TeacherEncoder(copy).tag != before.tag


def test_weights_that_change_under_way_are_refused(tiny, tmp_path, no_model):
    copy = tmp_path / "copy"
    _copy(tiny, copy)
    encoder = TeacherEncoder(copy, cache_dir=tmp_path)
    with (copy / WEIGHTS).open("ab") as file:
        file.write(b"!")
    with pytest.raises(DataError, match=r"model\.safetensors is not the file it must be.*make a new TeacherEncoder"):
        encoder.encode(["cat"])


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            to = target / path.relative_to(source)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())


def test_no_connection_is_opened(tiny, tmp_path, monkeypatch):
    attempts = []

    def refuse(*address, **_):
        attempts.append(address)
        raise OSError("the test allows no connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OSError, match="allows no connection"):  # the guard does guard
        socket.create_connection(("localhost", 9))
    attempts.clear()
    TeacherEncoder(tiny, cache_dir=tmp_path).encode(sentences(5))
    assert attempts == []


def test_the_libraries_own_bars_stay_silent(tiny, tmp_path, capfd):
    TeacherEncoder(tiny, cache_dir=tmp_path).encode(sentences(5), progress=False)
    assert capfd.readouterr().err == ""


def test_a_bar_shows_what_must_really_be_encoded(tiny, tmp_path, monkeypatch, capfd):
    vectors = SentenceModel.vectors
    monkeypatch.setattr(SentenceModel, "vectors", lambda *given: (time.sleep(0.4), vectors(*given))[1])
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path, batch_size=2)
    encoder.encode(sentences(2), progress=False)
    encoder.encode(sentences(8))
    assert re.search(r"Encoding: +100%.* 6/6 ", capfd.readouterr().err)
    encoder.encode(sentences(8))
    assert capfd.readouterr().err == ""


def test_where_two_processes_encode_the_same_the_first_ones_numbers_stay(tiny, tmp_path, monkeypatch):
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    theirs = torch.eye(12)[0]
    vectors = SentenceModel.vectors

    def another_process_is_first(self, texts):
        with EmbeddingCache(tmp_path) as cache:
            cache.put_many({embedding_key(encoder.sha256, encoder.tag, "cat"): theirs.numpy()})
        return vectors(self, texts)

    monkeypatch.setattr(SentenceModel, "vectors", another_process_is_first)
    now = encoder.encode(["cat", "dog"])
    assert now[0].equal(theirs)
    assert not now[1].equal(theirs)
    assert encoder.encode(["cat", "dog"]).equal(now)


ENCODE = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.test_encoder import sentences
from cubelib.encoder import TeacherEncoder
TeacherEncoder(sys.argv[1], cache_dir=sys.argv[2], batch_size=1).encode(sentences(3000))
"""


def _encoding(tiny: Path, cache: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", ENCODE, tiny, cache, Path(__file__).parents[1]], stderr=subprocess.DEVNULL
    )


def test_a_killed_run_continues_where_it_was(tiny, tmp_path):
    process = _encoding(tiny, tmp_path)
    try:
        for _ in range(6_000):
            time.sleep(0.02)
            assert process.poll() is None, "it ended before it was killed"
            if (tmp_path / "embeddings.sqlite3").exists():
                with EmbeddingCache(tmp_path) as cache:
                    if len(cache) >= 100:
                        break
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with EmbeddingCache(tmp_path) as cache:
        stored = len(cache)
    assert 100 <= stored < 3_000
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path, batch_size=500)
    vectors = encoder.encode(sentences(3_000))
    assert (encoder.hits, encoder.misses) == (stored, 3_000 - stored)
    fresh = TeacherEncoder(tiny, cache_dir=tmp_path / "fresh", batch_size=500).encode(sentences(3_000))
    torch.testing.assert_close(vectors, fresh, atol=1e-5, rtol=0)


def test_the_warm_cache_holds_every_default_text(no_model, tmp_path):
    pairs = corpora.dialogues()
    texts = corpora.sentences() + [pair["question"] for pair in pairs] + [pair["answer"] for pair in pairs]
    encoder = TeacherEncoder(cache_dir=tmp_path / "untouched")
    vectors = encoder.encode(texts)
    assert (encoder.hits, encoder.misses) == (9_500, 0)
    assert not (tmp_path / "untouched").exists()
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(9_500))
    chosen = [9_499, 0, 4_500, 0]
    assert encoder.encode([texts[i] for i in chosen]).equal(vectors[chosen])
    assert not encoder.encode(texts[:1]).equal(encoder.encode(texts[1:2]))


@pytest.mark.teacher
def test_the_warm_cache_is_what_the_real_teacher_says(tmp_path):
    """Fails, and says how to mend it, where the teacher is not installed. To leave it out: `-m "not teacher"`."""
    pairs = corpora.dialogues()
    texts = corpora.sentences() + [pair["question"] for pair in pairs] + [pair["answer"] for pair in pairs]
    sample = random.Random(24).sample(sorted(set(texts)), 24)
    warm = TeacherEncoder(cache_dir=tmp_path).encode(sample)
    vectors = torch.from_numpy(SentenceModel(teacher.NAME, cache_folder(), "cpu").vectors(sample))  # past all caches
    assert (vectors * warm).sum(dim=1).min() > 0.999
    assert (vectors[1:] * warm[:-1]).sum(dim=1).max() < 0.9, "neighbours agree too: the comparison shows nothing"
