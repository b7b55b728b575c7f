"""TrainingConfig: the specification's defaults, and nothing outside its range."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import yaml
from pydantic import ValidationError

from cubelib import TrainingConfig
from cubelib.errors import ConfigError
from cubelib.lattice.perceive import BOUNDARIES, NEIGHBORHOODS
from cubelib.lattice.rule import RULES
from cubelib.reshaper import LAYOUTS
from cubelib.training.config_blocks import CoreConfig
from cubelib.training.losses import LOSSES, TEMPERATURE

SHIPPED = Path(__file__).parents[2] / "config" / "cube_training.yaml"


def all_keys(values: dict, prefix: str = "") -> set[str]:
    nested = {key: value for key, value in values.items() if isinstance(value, dict)}
    return {prefix + key for key in values}.union(*(all_keys(v, f"{prefix}{k}.") for k, v in nested.items()))


@pytest.mark.parametrize("config", [TrainingConfig(), TrainingConfig.from_yaml(SHIPPED)], ids=["code", "file"])
def test_the_defaults_are_the_specification_s(config):
    assert (config.mode, config.lattice_size, config.learning_rate, config.epochs) == (
        "autoencoder",
        [8, 8, 8],
        1e-3,
        50,
    )
    assert (config.batch_size, config.convergence_threshold, config.target_similarity) == (32, 0.001, 0.90)
    assert (config.embedding_dim, config.device, config.bottleneck) == (768, "cpu", 4)


def test_the_shipped_file_describes_the_cube_of_the_defaults():
    assert TrainingConfig.from_yaml(SHIPPED).to_dict() == TrainingConfig().to_dict()


def test_the_shipped_file_holds_every_key_and_no_other():
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert all_keys(content["cube_training"]) == all_keys(TrainingConfig().to_dict())


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        (key, get_args(field.annotation))
        for block in (TrainingConfig, CoreConfig)
        for key, field in block.model_fields.items()
        if get_origin(field.annotation) is Literal
    ],
)
def test_the_shipped_file_s_comments_name_every_choice(key, choices):
    comment = re.search(rf"^ +{key}: [^#]*((?:#.*\n *)+)", SHIPPED.read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert [choice for choice in choices if not re.search(rf"\b{choice}\b", comment)] == []


@pytest.mark.parametrize(
    ("key", "accepted", "refused"),
    [
        (
            "lattice_size",
            [[2, 1, 1], (4, 2, 3), [8, 16, 16]],
            [[0, 8, 8], [1, 8, 8], [8, 8], [8] * 4, 8, [8, 8, 2.5], [True, 8, 8], None],
        ),
        ("learning_rate", [1e-9, "1e-3", 1, 1e30], [0, -1, float("nan"), float("inf"), True, "fast"]),
        ("embedding_dim", [1, "auto"], [0, -1, 1.5, None, "all"]),
        ("epochs", [0, 1], [-1, 1.5, True, "1e2"]),
        ("batch_size", [1], [0]),
        ("random_seed", [0, 2**32 - 1], [-1, 2**32]),
        ("weight_decay", [0], [-0.1, float("inf")]),
        ("convergence_threshold", [0], [-0.1, float("nan")]),
        ("target_similarity", [-1, 1], [1.1, -1.1]),
        ("early_stopping_patience", [1], [0]),
        (
            "core",
            [{"bottleneck": 16}, {"bottleneck": None}, {"bottleneck": "auto"}, {"steps": 7}, {"cell_dropout": 0}, {}],
            [None, 5],
        ),
        (
            "core",
            [{"state_channels": 32, "bottleneck": 32}],
            [{"bottleneck": 17}, {"bottleneck": 0}, {"bottleneck": "all"}, {"bottleneck": True}],
        ),
        ("core", [{"cell_damage": 0}, {"cell_damage": 0.99}], [{"cell_damage": 1}, {"cell_damage": -0.1}]),
        ("core", [{"steps": None}, {"steps": 20}], [{"steps": 6}, {"cell_dropout": 1}, {"hidden": 0}, {"rule": "own"}]),
        (
            "data",
            [{"limit": 10}, {"near_copy": 1}, {"file": ["a.npy", "b.npy"]}, {"file": "a.csv", "limit": 10}],
            [{"limit": 9}, {"near_copy": 0}, {"test_fraction": 0.5}, {"file": 5}, {"file": []}],
        ),
        (
            "data",
            [{"test_fraction": 0.4}],
            [{"test_fraction": 0.45, "validation_fraction": 0.45}, {"test_fraction": 0}],
        ),
        ("mixed", [{"autoencoder_weight": 0}, {"autoencoder_weight": 1}], [{"autoencoder_weight": 1.1}]),
    ],
)
def test_values_at_and_beyond_the_ends_of_their_ranges(key, accepted, refused):
    for value in accepted:
        TrainingConfig.from_dict({key: value})
    for value in refused:
        with pytest.raises(ConfigError, match=f"1 mistake in a dict. {key}"):
            TrainingConfig.from_dict({key: value})


@pytest.mark.parametrize(("mode", "bottleneck"), [("autoencoder", 4), ("mixed", 4), ("dialogue", None)])
def test_the_bottleneck_is_chosen_for_the_mode_unless_it_is_given(mode, bottleneck):
    assert TrainingConfig(mode=mode).bottleneck == bottleneck
    assert TrainingConfig(mode=mode, core={"bottleneck": 2}).bottleneck == 2
    assert TrainingConfig(mode=mode, core={"bottleneck": None}).bottleneck is None
    assert TrainingConfig(mode=mode, embedding_dim=2, core={"state_channels": 1}).bottleneck == (bottleneck and 1)


def test_channels_follow_from_the_width_and_the_face():
    assert (TrainingConfig().in_channels, TrainingConfig().state_channels) == (12, 16)
    wide = TrainingConfig(embedding_dim=3073, lattice_size=[4, 8, 16])
    assert (wide.in_channels, wide.state_channels) == (25, 25)


@pytest.mark.parametrize("through", [json, yaml], ids=["json", "yaml"])
def test_a_config_survives_being_written_and_read(through):
    dump, load = (json.dumps, json.loads) if through is json else (yaml.safe_dump, yaml.safe_load)
    config = TrainingConfig(
        mode="mixed", lattice_size=[3, 4, 5], core={"bottleneck": None, "rule": "local"}, data={"file": "ä b.csv"}
    )
    assert TrainingConfig.from_dict(load(dump(config.to_dict()))) == config


def test_one_config_does_not_change_another():
    first = TrainingConfig()
    first.core.rule = "local"
    first.lattice_size[0] = 3
    assert (TrainingConfig().core.rule, TrainingConfig().lattice_size) == ("local", [8, 8, 8])


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


def test_the_constructor_and_assignment_check_too():
    with pytest.raises(ValidationError, match="batch_size"):
        TrainingConfig(batch_size=0)
    with pytest.raises(ValidationError, match="mode"):
        TrainingConfig().mode = "dialog"


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"mode": "dialogue", "core": {"global_channels": 8}}, False),
        ({"mode": "dialogue", "core": {"global_channels": 8, "bottleneck": 4}}, True),
        ({"mode": "autoencoder", "core": {"global_channels": 8}}, True),
        ({"mode": "mixed", "core": {"global_channels": 8, "bottleneck": None}}, False),
        ({"mode": "dialogue", "lattice_size": [1, 8, 8], "core": {"global_channels": 8, "steps": 1}}, True),
    ],
)
def test_global_channels_go_with_no_bottleneck_and_two_planes(changes, refused):
    if not refused:
        assert TrainingConfig.from_dict(changes).core.global_channels == 8
        return
    with pytest.raises(ConfigError, match=r"core\.global_channels: 8 cannot be used here"):
        TrainingConfig.from_dict(changes)


def test_a_curriculum_has_weights_of_its_own():
    with pytest.raises(ConfigError, match="autoencoder_weight: with plan: curriculum it moves from 1 to 0 by itself"):
        TrainingConfig.from_dict({"mode": "mixed", "mixed": {"plan": "curriculum", "autoencoder_weight": 0.5}})
    assert TrainingConfig.from_dict({"mode": "mixed", "mixed": {"plan": "curriculum"}}).mixed.plan == "curriculum"


def test_the_choices_are_those_of_the_cube_and_the_losses():
    """Written out in the configuration, which is read before torch is imported."""
    choices = {name: set(get_args(field.annotation)) for name, field in CoreConfig.model_fields.items()}
    assert choices["rule"] == set(RULES) and choices["boundary"] == set(BOUNDARIES)
    assert choices["neighborhood"] == set(NEIGHBORHOODS) and choices["layout"] == set(LAYOUTS)
    assert set(get_args(TrainingConfig.model_fields["loss_function"].annotation)) == {"auto", *LOSSES}
    assert TrainingConfig().temperature == TEMPERATURE


def test_reading_a_configuration_imports_no_torch():
    code = (
        "import sys; from cubelib import TrainingConfig; "
        f"TrainingConfig.from_yaml({str(SHIPPED)!r}); print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
