"""TrainingConfig: the specification's defaults, and one clear sentence for every mistake."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from cubelib import TrainingConfig
from cubelib.errors import ConfigError

SHIPPED = Path(__file__).parents[1] / "config" / "cube_training.yaml"


def all_keys(values: dict, prefix: str = "") -> set[str]:
    nested = {key: value for key, value in values.items() if isinstance(value, dict)}
    return {prefix + key for key in values}.union(*(all_keys(v, f"{prefix}{k}.") for k, v in nested.items()))


def from_text(folder: Path, text: str | bytes) -> TrainingConfig:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return TrainingConfig.from_yaml(path)


@pytest.mark.parametrize("config", [TrainingConfig(), TrainingConfig.from_yaml(SHIPPED)], ids=["code", "file"])
def test_the_defaults_are_the_specification_s(config):
    assert (config.mode, config.lattice_size, config.learning_rate, config.epochs) == ("autoencoder", [8, 8, 8], 1e-3, 50)
    assert (config.batch_size, config.convergence_threshold, config.target_similarity) == (32, 0.001, 0.90)
    assert (config.embedding_dim, config.device, config.waist) == (768, "cpu", 4)


def test_the_shipped_file_holds_every_key_and_no_other():
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert all_keys(content["cube_training"]) == all_keys(TrainingConfig().to_dict())


@pytest.mark.parametrize("line", re.findall(r"^ +(\w+): [^\n#]*#(?: .*\n +#)* .* \| .*", SHIPPED.read_text("utf-8"), re.M))
def test_every_choice_is_explained_in_the_shipped_file(line):
    """The names between | in a comment are choices that the key takes; the ones it takes are all there."""
    text = SHIPPED.read_text(encoding="utf-8")
    comment = re.search(rf"^ +{line}: [^\n#]*(#.*\n(?: +#.*\n)*)", text, re.M)[1]
    named = set(re.findall(r"(?:^#|\|) +([a-z_]+)", re.sub(r"\n +#", " ", comment)))
    taken = set()
    for name in named:
        for block in ({line: name}, {"core": {line: name}}):
            try:
                TrainingConfig(**block)
            except ValidationError as error:
                expected = re.findall(r"'(\w+)'", error.errors()[0]["msg"])
            else:
                taken.add(name)
    assert taken == named
    assert line == "device" or named == set(expected or named)


@pytest.mark.parametrize(
    ("key", "accepted", "refused"),
    [
        ("lattice_size", [[1, 1, 1], (4, 2, 3), [8, 16, 16]], [[0, 8, 8], [8, 8], [8] * 4, 8, [8, 8, 2.5], [True, 8, 8], None]),
        ("learning_rate", [1e-9, "1e-3", 1], [0, -1, 10, float("nan"), float("inf"), True, "fast"]),
        ("epochs", [0, 1], [-1, 1.5, True, "1e2"]),
        ("batch_size", [1], [0]),
        ("random_seed", [0, 2**32 - 1], [-1, 2**32]),
        ("weight_decay", [0], [-0.1, float("inf")]),
        ("convergence_threshold", [0], [-0.1, float("nan")]),
        ("target_similarity", [-1, 1], [1.1, -1.1]),
        ("early_stopping_patience", [1], [0]),
        ("core", [{"waist": 16}, {"waist": None}, {"waist": "auto"}, {"steps": 7}, {"cell_dropout": 0}, {}], [None, 5]),
        ("core", [{"state_channels": 32, "waist": 32}], [{"waist": 17}, {"waist": 0}, {"waist": "all"}, {"waist": True}]),
        ("core", [{"steps": None}, {"steps": 20}], [{"steps": 6}, {"cell_dropout": 1}, {"hidden": 0}, {"rule": "own"}]),
        ("data", [{"limit": 10}, {"near_copy": 1}], [{"limit": 9}, {"near_copy": 0}, {"test_fraction": 0.5}, {"file": 5}]),
        ("data", [{"test_fraction": 0.4}], [{"test_fraction": 0.45, "validation_fraction": 0.45}, {"test_fraction": 0}]),
        ("mixed", [{"autoencoder_weight": 0}, {"autoencoder_weight": 1}], [{"autoencoder_weight": 1.1}]),
    ],
)
def test_values_at_and_beyond_the_ends_of_their_ranges(key, accepted, refused):
    for value in accepted:
        TrainingConfig.from_dict({key: value})
    for value in refused:
        with pytest.raises(ConfigError, match=f"1 mistake in a dict. {key}"):
            TrainingConfig.from_dict({key: value})


@pytest.mark.parametrize(("mode", "waist"), [("autoencoder", 4), ("mixed", 4), ("dialogue", None)])
def test_the_waist_is_chosen_for_the_mode_unless_it_is_given(mode, waist):
    assert TrainingConfig(mode=mode).waist == waist
    assert TrainingConfig(mode=mode, core={"waist": 2}).waist == 2
    assert TrainingConfig(mode=mode, core={"waist": None}).waist is None
    assert TrainingConfig(mode=mode, embedding_dim=2, core={"state_channels": 1}).waist == (waist and 1)


def test_channels_follow_from_the_width_and_the_face():
    assert (TrainingConfig().in_channels, TrainingConfig().state_channels) == (12, 16)
    wide = TrainingConfig(embedding_dim=3073, lattice_size=[4, 8, 16])
    assert (wide.in_channels, wide.state_channels) == (25, 25)


@pytest.mark.parametrize("through", [json, yaml], ids=["json", "yaml"])
def test_a_config_survives_being_written_and_read(through):
    dump, load = (json.dumps, json.loads) if through is json else (yaml.safe_dump, yaml.safe_load)
    config = TrainingConfig(
        mode="mixed", lattice_size=[3, 4, 5], core={"waist": None, "rule": "local"}, data={"file": "ä b.csv"}
    )
    assert TrainingConfig.from_dict(load(dump(config.to_dict()))) == config


def test_one_config_does_not_change_another():
    first = TrainingConfig()
    first.core.rule = "local"
    first.lattice_size[0] = 3
    assert (TrainingConfig().core.rule, TrainingConfig().lattice_size) == ("genome", [8, 8, 8])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("epoch: 5", "epoch: not a known key; did you mean epochs?"),
        ("LEARNING-RATE: 5", "LEARNING-RATE: not a known key; did you mean learning_rate?"),
        ("core: {rul: local}", "core.rul: not a known key; did you mean core.rule?"),
        ("rule: local", "rule: not a known key; did you mean core.rule?"),
        ("xyzzy: 1", "1 mistake in {path}. xyzzy: not a known key."),
        ("mode: dialog", "mode: Input should be 'autoencoder', 'dialogue' or 'mixed'; got 'dialog'."),
        ("mode: null", "mode: Input should be 'autoencoder', 'dialogue' or 'mixed'; got None."),
        ("core: {waist: 99}", "core.waist: 99 channels cannot pass where a cell has 16 (core.state_channels); use 16 or "),
        ("core: {waist: big}", "core.waist: expected a whole number of at least 1, auto, or null for no waist; got 'big'."),
        ("core: {steps: 3}", "core.steps: in 3 ticks nothing can cross 8 planes; use 7 or more, or null for 7."),
        ("core:", "core: expected settings indented under it; leave the key out for the defaults; got None."),
        ("data: {file: 5}", "data.file: expected a path; got 5."),
        ("epochs: yes", "epochs: yes is not a value it takes."),
        ("lattice_size: [8, 0, 8]", "lattice_size: expected [depth, rows, columns], three whole numbers of at least 1; got"),
        ("1: 2", "1: a key must be text; got 1."),
        (f"mode: {'x' * 500}", f"got '{'x' * 79}."),
        ("mode: autoencoder\n  mode: dialogue", "{path} is not valid YAML: the key 'mode' stands twice; remove one of them"),
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


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as raised:
        TrainingConfig.from_dict({"mode": "x", "epoch": 1, "core": {"hiden": 3}, "batch_size": 0}, origin="my.yaml")
    text = str(raised.value)
    assert text.startswith("TrainingConfig: 4 mistakes in my.yaml. ")
    assert all(f" {part}: " in text for part in ("mode", "epoch", "core.hiden", "batch_size"))


@pytest.mark.parametrize("values", [None, [], 5, "epochs", [("epochs", 3)], {"cube_training": None}])
def test_what_is_no_mapping_is_refused(values):
    with pytest.raises(ConfigError, match="a dict must map settings to values; got "):
        TrainingConfig.from_dict(values)


@pytest.mark.parametrize(("name", "reason"), [("missing.yaml", "No such file"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, reason):
    with pytest.raises(ConfigError, match=f"cannot read {re.escape(str(tmp_path / name))}: {reason}.* Name a YAML file."):
        TrainingConfig.from_yaml(tmp_path / name)


def test_yaml_s_oddities_are_understood(tmp_path):
    text = "\ufeffcube_training:\n  learning_rate: 1e-4\n  checkpoint_dir: 2026-01-31\n  <<: {epochs: 3}\n  epochs: 4\n"
    config = from_text(tmp_path, text)
    assert (config.learning_rate, config.checkpoint_dir, config.epochs) == (1e-4, Path("2026-01-31"), 4)


def test_the_constructor_and_assignment_check_too():
    with pytest.raises(ValidationError, match="batch_size"):
        TrainingConfig(batch_size=0)
    with pytest.raises(ValidationError, match="mode"):
        TrainingConfig().mode = "dialog"
