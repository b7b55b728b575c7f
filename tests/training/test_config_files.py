"""Configuration files: one clear sentence for every mistake, with the file's name."""

import re
from pathlib import Path

import pytest

from cubelib import TrainingConfig
from cubelib.errors import ConfigError


def from_text(folder: Path, text: str | bytes) -> TrainingConfig:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return TrainingConfig.from_yaml(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("epoch: 5", "epoch: not a known key; did you mean epochs?"),
        ("LEARNING-RATE: 5", "LEARNING-RATE: not a known key; did you mean learning_rate?"),
        ("core: {rul: local}", "core.rul: not a known key; did you mean core.rule?"),
        ("rule: local", "rule: not a known key; did you mean core.rule?"),
        ("xyzzy: 1", "1 mistake in {path}. xyzzy: not a known key; known are mode, device, "),
        ("mode: dialog", "mode: Input should be 'autoencoder', 'dialogue' or 'mixed'; got 'dialog'."),
        ("mode: null", "mode: Input should be 'autoencoder', 'dialogue' or 'mixed'; got None."),
        (
            "core: {bottleneck: 99}",
            "core.bottleneck: 99 channels cannot pass where a cell has 16 (core.state_channels); use 16 or ",
        ),
        (
            "core: {bottleneck: big}",
            "core.bottleneck: expected a whole number of at least 1, auto, or null for no bottleneck; got 'big'.",
        ),
        ("core: {steps: 3}", "core.steps: in 3 ticks nothing can cross 8 planes; use 7 or more, or null for 7."),
        ("core:", "core: expected settings indented under it; leave the key out for the defaults; got None."),
        ("data: {file: 5}", "data.file: expected a path; got 5."),
        ("epochs: yes", "epochs: yes is not a value it takes."),
        (
            "lattice_size: [8, 0, 8]",
            "lattice_size: expected [depth, rows, columns], three whole numbers of at least 1; got",
        ),
        ("1: 2", "1: a key must be text; got 1."),
        (f"mode: {'x' * 500}", f"got '{'x' * 79}."),
        (
            "mode: autoencoder\n  mode: dialogue",
            "{path} is not valid YAML: the key 'mode' stands twice; remove one of them",
        ),
        ("core: {rule: local, rule: shared}", "the key 'rule' stands twice"),
        ("mode: [", "{path} is not valid YAML: while parsing"),
        ("\tmode: dialogue", "is not valid YAML: while scanning for the next token found character '\\t'"),
        ("epochs: !!int many", "is not valid YAML: invalid literal for int() with base 10: 'many'."),
        ("mode: !!python/name:os.system", "is not valid YAML: could not determine a constructor for the tag"),
        ("[a]: 2", "is not valid YAML: while constructing a mapping found unhashable key"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_the_file(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=re.escape(message.format(path=tmp_path / "config.yaml"))) as raised:
        from_text(tmp_path, f"cube_training:\n  {settings}\n")
    assert str(raised.value).startswith("TrainingConfig: ") and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold the one key 'cube_training' with the settings under it; found: nothing. Put 'cube_training:'"),
        (b"# only a comment", "found: nothing."),
        (b"epochs: 5", "found: epochs."),
        (b"cube_training:", "found: cube_training, and nothing under it."),
        (b"cube_training:\nepochs: 5", "found: cube_training, epochs."),
        (b"cube_training: {cube_training: {epochs: 5}}", "cube_training: not a known key"),
        (b"- epochs", "found: a list."),
        (b"epochs", "found: a str."),
        (b"cube_training:\n  mode: \xe9", "byte 23 is not UTF-8. Save it as UTF-8."),
        (b"\x00", "is not valid YAML: unacceptable character"),
    ],
)
def test_a_file_without_the_settings_is_named(tmp_path, content, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        from_text(tmp_path, content)


@pytest.mark.parametrize(("name", "reason"), [("missing.yaml", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    with pytest.raises(
        ConfigError, match=f"cannot read {re.escape(str(tmp_path / name))}: {reason}.* Name a YAML file."
    ):
        TrainingConfig.from_yaml(tmp_path / name)


def test_yaml_s_oddities_are_understood(tmp_path):
    text = "\ufeffcube_training:\n  learning_rate: 1e-4\n  checkpoint_dir: 2026-01-31\n  <<: {epochs: 3}\n  epochs: 4\n"
    config = from_text(tmp_path, text)
    assert (config.learning_rate, config.checkpoint_dir, config.epochs) == (1e-4, Path("2026-01-31"), 4)
