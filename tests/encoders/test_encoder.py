"""TeacherEncoder with a tiny real sentence-transformers model: order, identity, resumption. And the real teacher."""

import json
import random
import re
import shutil
import socket
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_model import sentences

from cubelib.data import corpora
from cubelib.encoders import sentence_model
from cubelib.encoders.cache import EmbeddingCache, embedding_key
from cubelib.encoders.encoder import PromptWarning, ScriptWarning, TeacherEncoder, TruncationWarning
from cubelib.encoders.sentence_model import SentenceModel, local_model
from cubelib.encoders.teacher import MINILM, MULTILINGUAL, WEIGHTS
from cubelib.encoders.text_model import function_model
from cubelib.errors import ConfigError, DataError


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def test_vectors_are_unit_float32_in_the_order_of_the_texts(tiny, tmp_path):
    texts = sentences(40)
    together = TeacherEncoder(tiny, cache_dir=tmp_path / "a", batch_size=8).encode(texts)
    alone = torch.cat([TeacherEncoder(tiny, cache_dir=tmp_path / "b").encode([text]) for text in texts[:3]])
    assert (together.shape, together.dtype) == ((40, 12), torch.float32)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(40))
    torch.testing.assert_close(together[:3], alone, atol=1e-5, rtol=0)
    assert len({tuple(row) for row in together.tolist()}) == 40


def test_a_text_is_encoded_once_and_every_bit_stays_the_same(tiny, tmp_path, request):
    texts = sentences(30)
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path, batch_size=7)
    first = encoder.encode([*texts, *texts[:5]])
    assert (encoder.hits, encoder.misses) == (5, 30)
    assert first[30:].equal(first[:5])
    request.getfixturevalue("no_model")
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    chosen = [17, 3, 3, 29]
    assert encoder.encode([texts[i] for i in chosen]).equal(first[chosen])
    assert (encoder.hits, encoder.misses) == (4, 0)
    with pytest.raises(AssertionError, match="was loaded"):  # the guard does guard
        encoder.encode(["a text nobody knows"])


def test_where_two_processes_encode_the_same_the_first_ones_numbers_stay(tiny, tmp_path, monkeypatch):
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    theirs = torch.eye(12)[0]
    vectors = SentenceModel.vectors

    def another_process_is_first(self, *given):
        with EmbeddingCache(tmp_path) as cache:
            cache.put({embedding_key(encoder.sha256, encoder.tag, "cat"): theirs.numpy()})
        return vectors(self, *given)

    monkeypatch.setattr(SentenceModel, "vectors", another_process_is_first)
    now = encoder.encode(["cat", "dog"])
    assert now[0].equal(theirs)
    assert not now[1].equal(theirs)
    assert encoder.encode(["cat", "dog"]).equal(now)


FITS = " ".join(["cat"] * 14)  # with the two special tokens around it, the 16 tokens this model reads


def test_texts_that_are_cut_are_reported_at_every_call(tiny, tmp_path, monkeypatch, request):
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    monkeypatch.setattr(sentence_model, "_BLOCK", 2)
    texts = ["cat", f"{FITS} sea", FITS, "sea " * 30, f"{FITS} sea", FITS[:-4]]
    with pytest.warns(TruncationWarning) as caught:
        vectors = encoder.encode(texts)
    assert re.match(
        r"2 of 5 different texts are .* 16 tokens that .*tiny.* reads, such as “cat ", str(caught[0].message)
    )
    assert (len(caught), encoder.truncated, caught[0].filename) == (1, 2, __file__)
    torch.testing.assert_close(vectors[1], vectors[2])  # cut where the model stops reading
    assert not torch.allclose(vectors[2], vectors[5], atol=1e-4)
    request.getfixturevalue("no_model")  # the cache knows which they are
    with pytest.warns(TruncationWarning, match=r"^2 of 4 different texts are longer than the 16 tokens that"):
        encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
        encoder.encode(texts[:5])
    assert (encoder.truncated, encoder.misses) == (2, 0)
    encoder.encode([FITS])
    assert encoder.truncated == 0


def test_a_prompt_counts_as_part_of_the_text(tiny, copy):
    settings = {"prompts": {"query": "red sea "}, "default_prompt_name": "query"}
    (copy / "config_sentence_transformers.json").write_text(json.dumps(settings))
    assert local_model(copy, "cpu").too_long([FITS, FITS[8:], FITS[4:]]) == [FITS, FITS[4:]]
    assert local_model(tiny, "cpu").too_long([FITS, FITS[8:], FITS[4:]]) == []


PROMPTS = [  # settings of the model → prompts for queries and documents
    (None, "", ""),
    ({"prompts": {"query": "red ", "passage": "blue ", "document": ""}, "default_prompt_name": None}, "red ", "blue "),
    ({"prompts": {"query": "red ", "document": "blue "}, "default_prompt_name": "query"}, "red ", "blue "),
    ({"prompts": {"query": "red "}, "default_prompt_name": "query"}, "red ", ""),
    ({"prompts": {"sts": "red "}, "default_prompt_name": "sts"}, "red ", "red "),
]


@pytest.mark.parametrize(("settings", "query", "document"), PROMPTS)
def test_questions_and_answers_get_their_own_prompts_and_places_in_the_cache(
    tiny, copy, tmp_path, settings, query, document, request
):
    if settings is not None:
        (copy / "config_sentence_transformers.json").write_text(json.dumps(settings))
    plain = TeacherEncoder(tiny, cache_dir=tmp_path / "plain")  # the texts as the model should see them
    encoder = TeacherEncoder(copy, cache_dir=tmp_path / "roles")
    assert encoder.prompts == {"query": query, "document": document}
    assert encoder.is_asymmetric == (query != document)
    texts = sentences(3)
    queries, documents = encoder.encode_query(texts), encoder.encode_document(texts)
    torch.testing.assert_close(queries, plain.encode([query + text for text in texts]))
    torch.testing.assert_close(documents, plain.encode([document + text for text in texts]))
    own = TeacherEncoder(copy, cache_dir=tmp_path / "roles", query_prompt="sea ")
    torch.testing.assert_close(own.encode_query(texts), plain.encode([f"sea {text}" for text in texts]))
    request.getfixturevalue("no_model")
    again = TeacherEncoder(copy, cache_dir=tmp_path / "roles")
    assert again.encode_query(texts).equal(queries) and again.encode_document(texts).equal(documents)


def test_a_model_with_a_layer_for_each_role_uses_them(tiny, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Router
    from sentence_transformers.sentence_transformer.modules import Dense

    base, texts = SentenceTransformer(str(tiny)), sentences(3)
    layers = Router.for_query_document([Dense(12, 12)], [Normalize()], default_route="document")
    model = SentenceTransformer(modules=[*base.children(), layers])
    model.save_pretrained(str(tmp_path / "routes"))
    encoder = TeacherEncoder(tmp_path / "routes", cache_dir=tmp_path)
    assert encoder.is_asymmetric
    for found, expected in (
        (encoder.encode_query(texts), model.encode_query(texts)),
        (encoder.encode_document(texts), model.encode_document(texts)),
    ):
        expected = torch.nn.functional.normalize(torch.from_numpy(expected), dim=1)
        torch.testing.assert_close(found, expected)


def test_a_family_that_needs_prompts_and_names_none_is_told(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny, tmp_path / "multilingual-e5-small"))
    with pytest.warns(PromptWarning, match="Set data.query_prompt: 'query: ' and data.document_prompt: 'passage: '"):
        TeacherEncoder(folder, cache_dir=tmp_path).encode_query(["cat"])
    TeacherEncoder(folder, cache_dir=tmp_path, query_prompt="", document_prompt="").encode_query(["cat"])


def test_no_texts_give_no_rows(no_model):
    encoder = TeacherEncoder()
    assert encoder.encode([]).shape == (0, 768)
    assert (encoder.hits, encoder.misses) == (0, 0)


BAD_TEXTS = [
    (["good", "good", " \t\n\u00a0"], r"text 2 of 3 \(counted from 0\) is empty"),
    ([None, "good"], r"text 0 of 2 .* holds null\. Given: None"),
    (["good", "half \ud83d"], r"text 1 of 2 .* \(an unpaired surrogate\)"),
    ("good", "a list of texts. Given one str"),
]


@pytest.mark.parametrize(("texts", "message"), BAD_TEXTS)
def test_a_text_that_cannot_be_encoded_is_named_by_its_index(no_model, texts, message):
    with pytest.raises(DataError, match=message):
        TeacherEncoder().encode(texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "all-minilm"}, "unknown model 'all-minilm'. Did you mean 'all-MiniLM-L6-v2'? Known: 'all-mpnet-"),
        ({"model": "sentence-transformers/all-mpnet-base-v2"}, "Did you mean 'all-mpnet-base-v2'?"),
        ({"model": "BAAI/bge-m3"}, "Did you mean 'hub:BAAI/bge-m3'?"),
        ({"model": "no/such/folder"}, "unknown model 'no/such/folder'. Known: "),
        ({"model": 7}, "a model is a name, a folder or a function, not int"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"name": "mine"}, "name='mine' is for functions; 'all-mpnet-base-v2' has a name"),
        ({"device": "abacus"}, "device 'abacus' is not known"),
        ({"device": "cuda:99"}, "'cuda:99' was asked for, but torch finds"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        TeacherEncoder(**options)


def test_the_device_reaches_the_model(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_model, "find_device", lambda name: {"cuda:1": torch.device("meta")}[name])
    with pytest.raises(RuntimeError, match="meta tensors"):
        TeacherEncoder(tiny, cache_dir=tmp_path, device="cuda:1").encode(["cat"])


def test_a_model_in_several_pieces_is_the_same_model(tiny, copy, tmp_path):
    from transformers import AutoModel

    (copy / WEIGHTS).unlink()
    AutoModel.from_pretrained(tiny).save_pretrained(copy, max_shard_size="5KB")
    pieces = sorted(copy.glob("*.safetensors"))
    assert len(pieces) > 1
    encoder = TeacherEncoder(copy, cache_dir=tmp_path)
    expected = TeacherEncoder(tiny, cache_dir=tmp_path).encode(sentences(3))
    torch.testing.assert_close(encoder.encode(sentences(3)), expected)
    data = pieces[1].read_bytes()
    pieces[1].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert TeacherEncoder(copy).sha256 != encoder.sha256


def replace(old: str, new: str, path: Path) -> None:
    path.write_text(path.read_text().replace(old, new))


def drop_tensor(name: str, path: Path) -> None:
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})


UNSAFE = [
    (Path.unlink, "modules.json", r"has no modules\.json.*save_pretrained"),
    (Path.unlink, WEIGHTS, "has no safetensors weights.*save_pretrained"),
    (lambda path: path.write_bytes(b"no safetensors"), WEIGHTS, "cannot load the model in .*copy"),
    (lambda path: path.rename(path.with_stem("other")), WEIGHTS, r"no file named model\.safetensors"),
    (Path.touch, "1_Pooling/pytorch_model.bin", r"1_Pooling/pytorch_model\.bin is a pickle, which can run code"),
    (partial(replace, "sentence_transformers.m", "m"), "modules.json", r"cannot load.*TeacherEncoder\(model\.encode"),
    (partial(replace, '_size": 16', '_size": 24'), "config.json", "cannot load the model in .*copy.*mismatch"),
    (partial(drop_tensor, "encoder.layer.0.output.dense.weight"), WEIGHTS, r"lacks 1 tensors, such as enc.*; random"),
]


@pytest.mark.parametrize(("damage", "file", "message"), UNSAFE)
def test_a_folder_that_is_not_whole_or_not_safe_is_refused(copy, tmp_path, damage, file, message):
    damage(copy / file)
    with pytest.raises(DataError, match=message):
        TeacherEncoder(copy, cache_dir=tmp_path).encode(["cat"])


def test_a_missing_pooler_does_no_harm(tiny, copy, tmp_path):
    drop_tensor("pooler.dense.weight", copy / WEIGHTS)
    expected = TeacherEncoder(tiny, cache_dir=tmp_path).encode(["cat"])
    torch.testing.assert_close(TeacherEncoder(copy, cache_dir=tmp_path).encode(["cat"]), expected)


def test_a_changed_pooling_is_another_model(tiny, copy):
    before = TeacherEncoder(tiny)
    assert (TeacherEncoder(copy).sha256, TeacherEncoder(copy).tag) == (before.sha256, before.tag)
    replace("mean_tokens", "max_tokens", copy / "1_Pooling" / "config.json")
    assert TeacherEncoder(copy).sha256 == before.sha256
    assert TeacherEncoder(copy).tag != before.tag


def test_files_that_change_or_come_before_the_model_is_loaded_are_refused(copy, tmp_path, no_model):
    encoder = TeacherEncoder(copy, cache_dir=tmp_path)
    (copy / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match=r"adapter_config\.json is missing, changed or no part"):
        encoder.encode(["cat"])
    (copy / "adapter_config.json").unlink()
    with (copy / WEIGHTS).open("ab") as file:
        file.write(b"!")
    with pytest.raises(DataError, match=r"model\.safetensors is missing, changed.*make a new TeacherEncoder"):
        encoder.encode(["cat"])


def test_no_connection_is_opened(tiny, tmp_path, monkeypatch):
    attempts = []
    for owner, name in ((socket.socket, "connect"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, lambda *address, **_: attempts.append(address))
    TeacherEncoder(tiny, cache_dir=tmp_path).encode(sentences(5))
    assert attempts == []
    with pytest.raises(TypeError):  # the guard does guard: it gives no address back
        socket.create_connection(("localhost", 9))
    assert attempts


def test_one_bar_shows_what_must_really_be_encoded(tiny, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    vectors = SentenceModel.vectors
    monkeypatch.setattr(SentenceModel, "vectors", lambda *given: (time.sleep(0.4), vectors(*given))[1])
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path, batch_size=2)
    encoder.encode(sentences(2), progress=False)
    assert capfd.readouterr().err == ""  # the libraries' own bars stay silent
    encoder.encode(sentences(8))
    assert re.search(r"Encoding: +100%.* 6/6 ", capfd.readouterr().err)


LATIN = [f"A sentence in English, number {number}." for number in range(10)]
CYRILLIC = [f"Предложение на русском, номер {number}." for number in range(11)]

SCRIPT_CASES = [
    (MINILM, [*LATIN, *CYRILLIC], True),
    (MINILM, [*LATIN, *CYRILLIC[:10]], False),
    (MINILM, ["Привет, дорогой мой friend"], True),
    (MINILM, ["1 + 1 = 2", "🙂 42 %", "Crème brûlée à Zürich, Łódź", "Привет, my dear friend"], False),
    (MULTILINGUAL, [*CYRILLIC, "日本語の文です", "한국어 문장", "ภาษาไทย", "这是中文", "جملة عربية"], False),
    (MULTILINGUAL, ["Ελληνικά", "עברית"], True),
]


@pytest.mark.parametrize(("name", "texts", "warned"), SCRIPT_CASES)
def test_letters_that_the_model_was_not_made_for_are_reported_once(name, texts, warned, tmp_path, recwarn):
    encoder = TeacherEncoder(name, cache_dir=tmp_path)
    encoder._model = function_model(lambda texts: [[1.0, len(text)] for text in texts], name="fast", device="cpu")
    encoder._model.name = name
    for _ in range(2):  # at the second call, all of them are known
        encoder.encode(texts)
    caught = [warning for warning in recwarn if warning.category is ScriptWarning]
    assert len(caught) == warned
    if warned:
        assert str(caught[0].message).startswith(f"{name} was made for Latin") and caught[0].filename == __file__


def default_texts() -> list[str]:
    pairs = corpora.dialogues()
    return corpora.sentences() + [pair["question"] for pair in pairs] + [pair["answer"] for pair in pairs]


def test_every_default_text_is_bundled(no_model, tmp_path):
    texts = default_texts()
    encoder = TeacherEncoder(cache_dir=tmp_path / "untouched")
    vectors = encoder.encode(texts)
    assert (encoder.hits, encoder.misses) == (24_000, 0)
    assert not (tmp_path / "untouched").exists()
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(24_000))
    chosen = [23_999, 0, 4_500, 0]
    assert encoder.encode([texts[i] for i in chosen]).equal(vectors[chosen])


@pytest.mark.teacher
def test_the_bundled_embeddings_are_those_of_the_real_teacher(tmp_path):
    """Fails, and says how to mend it, where the teacher is not installed. To leave it out: `-m "not teacher"`."""
    sample = random.Random(24).sample(sorted(set(default_texts())), 24)
    bundled = TeacherEncoder(cache_dir=tmp_path).encode(sample)
    vectors = torch.from_numpy(TeacherEncoder()._model.vectors(sample, 32))  # past all caches
    assert (vectors * bundled).sum(dim=1).min() > 0.9999
    assert (vectors[1:] * bundled[:-1]).sum(dim=1).max() < 0.9, "neighbors agree too: the comparison shows nothing"
