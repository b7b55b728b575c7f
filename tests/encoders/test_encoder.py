"""TeacherEncoder with a tiny real sentence-transformers model: order, identity, resumption. And the real teacher."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_model import WORDS, make_tiny_model

from cubelib.data import corpora
from cubelib.encoders import sentence_model, teacher
from cubelib.encoders.cache import EmbeddingCache, cache_folder, embedding_key
from cubelib.encoders.encoder import TeacherEncoder, TruncationWarning
from cubelib.encoders.fingerprint import WEIGHTS
from cubelib.encoders.sentence_model import LocalFolder, SentenceModel
from cubelib.errors import ConfigError, DataError


def sentences(count: int) -> list[str]:
    """Different sentences of 2 to 11 words, none of them cut."""
    chooser = random.Random(0)
    return [" ".join([*chooser.choices(WORDS, k=chooser.randint(1, 10)), str(number)]) for number in range(count)]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


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


FITS = " ".join(["cat"] * 14)  # with the two marks around it, the 16 tokens this model reads


def test_a_long_text_is_cut_where_the_model_stops_reading(tiny, tmp_path):
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    with pytest.warns(TruncationWarning):
        fits, long, shorter = encoder.encode([FITS, f"{FITS} sea sea", FITS[:-4]])
    torch.testing.assert_close(fits, long)
    assert not torch.allclose(fits, shorter, atol=1e-4)


def test_texts_that_are_cut_are_counted_and_told_at_once(tiny, tmp_path):
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    texts = ["cat", f"{FITS} sea", FITS, "sea " * 30, f"{FITS} sea"]
    with pytest.warns(TruncationWarning) as caught:
        encoder.encode(texts)
    assert re.match(r"2 of 4 texts to encode .* 16 tokens that .*tiny.* reads, .* text 1\.", str(caught[0].message))
    assert (len(caught), encoder.truncated, caught[0].filename) == (1, 2, __file__)
    encoder.encode([*texts, "dog"])  # what the caches know is not counted again
    assert encoder.truncated == 0
    with pytest.warns(TruncationWarning, match="1 of 1 texts"):
        encoder.encode([*texts, "dog " * 15])
    assert encoder.truncated == 1
    encoder.encode(texts)
    assert encoder.truncated == 0


@pytest.fixture(scope="session")
def tiny_loaded(tiny) -> LocalFolder:
    model = LocalFolder(tiny, "cpu")
    model.load()
    return model


@given(st.lists(st.text(max_size=30) | st.lists(st.sampled_from([*WORDS, "é", "ß", "ﷺ"])).map(" ".join), max_size=8))
@example(["abcdefghijklmno"])  # 15 letters, and 17 tokens
def test_the_cheap_bound_changes_no_count(tiny_loaded, texts):
    tokens = [len(tiny_loaded._model.tokenizer(text)["input_ids"]) for text in texts]
    assert tiny_loaded.too_long(texts) == [count > 16 for count in tokens]


@given(st.text(max_size=20))
def test_no_tokenizer_makes_more_tokens_than_the_bound_says(text):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(letters, []))  # a token for every byte: no tokenizer makes more
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    most = sentence_model._most_tokens(text)
    assert len(tokenizer.encode(text)) <= most
    for form in (normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD()):
        tokenizer.normalizer = form
        assert len(tokenizer.encode(text)) <= most, form


def test_a_prompt_counts_as_part_of_the_text(tiny_loaded, tiny, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    settings = {"prompts": {"query": "red sea "}, "default_prompt_name": "query"}
    (copy / "config_sentence_transformers.json").write_text(json.dumps(settings))
    assert LocalFolder(copy, "cpu").too_long([FITS, FITS[8:], FITS[4:]]) == [True, False, True]
    assert tiny_loaded.too_long([FITS, FITS[8:], FITS[4:]]) == [False, False, False]


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


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("all-minilm", "unknown model 'all-minilm'. Did you mean 'all-MiniLM-L6-v2'? Known: 'all-mpnet-base-v2', "),
        ("ALL-MPNET-BASE-V2", "Did you mean 'all-mpnet-base-v2'?"),
        ("universal-sentence-encoder", "Did you mean 'universal-sentence-encoder-multilingual'?"),
        ("sentence-transformers/all-mpnet-base-v2", "Did you mean 'all-mpnet-base-v2'?"),
        ("BAAI/bge-m3", "Did you mean 'hub:BAAI/bge-m3'?"),
        ("no/such/folder", "unknown model 'no/such/folder'. Known: "),
        (7, "a model is a name, a folder or a function, not int"),
    ],
)
def test_an_unknown_model_is_answered_with_what_may_be_meant(model, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        TeacherEncoder(model)


def test_what_cannot_be_is_said_at_once(tiny, tmp_path):
    with pytest.raises(DataError, match=r"it has no modules\.json.*save_pretrained"):
        TeacherEncoder(tmp_path)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        TeacherEncoder(batch_size=0)
    with pytest.raises(ConfigError, match=r"name='mine' is for functions; 'all-mpnet-base-v2' has a name"):
        TeacherEncoder(name="mine")
    with pytest.raises(ConfigError, match="device 'abacus' is not known"):
        TeacherEncoder(tiny, device="abacus")
    if not torch.backends.mps.is_available():
        with pytest.raises(ConfigError, match="torch finds no Apple GPU"):
            TeacherEncoder(tiny, device="mps")
    with pytest.raises(ConfigError, match="'cuda:99' was asked for, but torch finds"):
        TeacherEncoder(tiny, device="cuda:99")


def test_the_device_reaches_the_model(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_model, "find_device", lambda name: {"cuda:1": torch.device("meta")}[name])
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path, device="cuda:1")
    with pytest.raises(RuntimeError, match="meta tensors"):
        encoder.encode(["cat"])


def test_a_model_in_several_pieces_is_the_same_model(tiny, tmp_path):
    from transformers import AutoModel

    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    (copy / WEIGHTS).unlink()
    AutoModel.from_pretrained(tiny).save_pretrained(copy, max_shard_size="5KB")
    pieces = sorted(path.name for path in copy.glob("*.safetensors"))
    assert len(pieces) > 1
    encoder = TeacherEncoder(copy, cache_dir=tmp_path)
    whole = TeacherEncoder(tiny, cache_dir=tmp_path).encode(sentences(3))
    torch.testing.assert_close(encoder.encode(sentences(3)), whole)
    data = bytearray((copy / pieces[1]).read_bytes())
    data[-1] ^= 1
    (copy / pieces[1]).write_bytes(data)
    assert TeacherEncoder(copy).sha256 != encoder.sha256


def test_a_folder_with_pickles_or_code_is_refused(tiny, tmp_path):
    for name in ("pickle", "code"):
        shutil.copytree(tiny, tmp_path / name)
    (tmp_path / "pickle" / "2_Dense").mkdir()
    (tmp_path / "pickle" / "2_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"2_Dense/pytorch_model\.bin is a pickle, which can run code"):
        TeacherEncoder(tmp_path / "pickle")
    torch.save({}, tmp_path / "pickle" / "pytorch_model.bin")
    (tmp_path / "pickle" / WEIGHTS).rename(tmp_path / "pickle" / "other.safetensors")
    (tmp_path / "pickle" / "2_Dense" / "pytorch_model.bin").unlink()
    with pytest.raises(DataError, match=r"cannot load the model in .* no file named model\.safetensors"):
        TeacherEncoder(tmp_path / "pickle", cache_dir=tmp_path).encode(["cat"])
    modules = tmp_path / "code" / "modules.json"
    modules.write_text(modules.read_text().replace("sentence_transformers.models.Pooling", "mine.Pooling"))
    with pytest.raises(DataError, match=r"runs code of its own \(mine\.Pooling\).*TeacherEncoder\(model\.encode"):
        TeacherEncoder(tmp_path / "code")


def test_a_model_that_cannot_be_loaded_is_named(tiny, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    (copy / WEIGHTS).write_bytes(b"no safetensors")
    with pytest.raises(DataError, match=f"cannot load the model in {re.escape(str(copy))}"):
        TeacherEncoder(copy, cache_dir=tmp_path).encode(["cat"])


def test_a_changed_pooling_is_another_model(tiny, tmp_path):
    before = TeacherEncoder(tiny)
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    assert (TeacherEncoder(copy).sha256, TeacherEncoder(copy).tag) == (before.sha256, before.tag)
    settings = copy / "1_Pooling" / "config.json"
    settings.write_text(settings.read_text().replace("mean_tokens", "max_tokens"))
    assert TeacherEncoder(copy).sha256 == before.sha256
    assert TeacherEncoder(copy).tag != before.tag


def test_weights_that_change_under_way_are_refused(tiny, tmp_path, no_model):
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    encoder = TeacherEncoder(copy, cache_dir=tmp_path)
    with (copy / WEIGHTS).open("ab") as file:
        file.write(b"!")
    with pytest.raises(DataError, match=r"model\.safetensors is not the file it must be.*make a new TeacherEncoder"):
        encoder.encode(["cat"])


def test_a_file_that_joins_the_model_under_way_is_refused(tiny, tmp_path, no_model):
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    encoder = TeacherEncoder(copy, cache_dir=tmp_path)
    (copy / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match=r"adapter_config\.json is no file of this model"):
        encoder.encode(["cat"])


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


def test_the_hub_is_locked_only_while_a_model_is_loaded(tiny, tmp_path, monkeypatch):
    import sentence_transformers
    from huggingface_hub import is_offline_mode

    locked = []
    real = sentence_transformers.SentenceTransformer
    monkeypatch.setattr(
        sentence_transformers,
        "SentenceTransformer",
        lambda *given, **named: (locked.append(is_offline_mode()), real(*given, **named))[1],
    )
    environment = dict(os.environ)
    TeacherEncoder(tiny, cache_dir=tmp_path).encode(["cat"])
    assert locked == [True]
    assert not is_offline_mode()
    assert dict(os.environ) == environment


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
sys.path += sys.argv[3:]
from test_encoder import sentences
from cubelib.encoders.encoder import TeacherEncoder
TeacherEncoder(sys.argv[1], cache_dir=sys.argv[2], batch_size=1).encode(sentences(3000))
"""


def _encoding(tiny: Path, cache: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", ENCODE, tiny, cache, *Path(__file__).parents[:3]], stderr=subprocess.DEVNULL
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
    assert (encoder.hits, encoder.misses) == (24_000, 0)
    assert not (tmp_path / "untouched").exists()
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(24_000))
    chosen = [23_999, 0, 4_500, 0]
    assert encoder.encode([texts[i] for i in chosen]).equal(vectors[chosen])
    assert not encoder.encode(texts[:1]).equal(encoder.encode(texts[1:2]))


@pytest.mark.teacher
def test_the_warm_cache_is_what_the_real_teacher_says(tmp_path):
    """Fails, and says how to mend it, where the teacher is not installed. To leave it out: `-m "not teacher"`."""
    pairs = corpora.dialogues()
    texts = corpora.sentences() + [pair["question"] for pair in pairs] + [pair["answer"] for pair in pairs]
    sample = random.Random(24).sample(sorted(set(texts)), 24)
    warm = TeacherEncoder(cache_dir=tmp_path).encode(sample)
    vectors = torch.from_numpy(teacher.MPNet(cache_folder(), "cpu").vectors(sample))  # past all caches
    assert (vectors * warm).sum(dim=1).min() > 0.9999
    assert (vectors[1:] * warm[:-1]).sum(dim=1).max() < 0.9, "neighbors agree too: the comparison shows nothing"
