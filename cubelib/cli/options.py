"""Settings on the command line: --epochs 5 --core.rule local, checked exactly like those of the YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from cubelib.errors import ConfigError
from cubelib.training.config import TrainingConfig


def configuration(path: str | Path, words: Sequence[str]) -> TrainingConfig:
    """The configuration of a YAML file, with the settings given as options in place of the file's.

    Args:
        path: the file.
        words: `--key value` or `--key=value`, see `read_options`.

    Raises:
        ConfigError: the file or an option cannot be used.
    """
    config = TrainingConfig.from_yaml(path)
    if not words:
        return config
    settings = config.to_dict()
    for key, value in read_options(words).items():
        *blocks, name = key.split(".")
        block = settings
        for part in blocks:
            block = block.setdefault(part, {})
            if not isinstance(block, dict):
                raise ConfigError(f"TrainingConfig: --{key} is no option; {part} is a single setting, not a block.")
        block[name] = value
    return TrainingConfig.from_dict(settings, origin=f"{path} with the options given")


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Keys and values; values are read as YAML, hyphens in keys become underscores, several values make a list.

    Example:
        >>> read_options(["--epochs", "5", "--core.cell-dropout=0.1", "--lattice-size", "8", "8", "8"])
        {'epochs': 5, 'core.cell_dropout': 0.1, 'lattice_size': [8, 8, 8]}
    """
    options: dict[str, list[Any]] = {}
    for word in words:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            key = option[2:].replace("-", "_")
            if key in options:
                raise ConfigError(f"TrainingConfig: the option {option} is given twice. Leave one out.")
            options[key] = [_value(key, value)] if equals else []
        elif options:
            options[key].append(_value(key, word))
        else:
            raise ConfigError(f"TrainingConfig: {word!r} is no option. Options look like --epochs 5.")
    for key, values in options.items():
        if not values:
            option = key.replace("_", "-")
            raise ConfigError(f"TrainingConfig: the option --{option} has no value. Options look like --epochs 5.")
    return {key: values[0] if len(values) == 1 else values for key, values in options.items()}


def _value(key: str, word: str) -> Any:
    try:
        return yaml.safe_load(word)
    except yaml.YAMLError:
        raise ConfigError(f"TrainingConfig: cannot read the value {word!r} of the option --{key}. Quote it.") from None


def describe(block: type[BaseModel] = TrainingConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting as an option with its default, and what it means.

    Example:
        >>> next(describe())
        ('--mode autoencoder', 'autoencoder (give back the input), dialogue (question → answer), or mixed (both).')
    """
    for name, field in block.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from describe(field.annotation, f"{prefix}{name}.")
            continue
        default = field.default
        if isinstance(default, list):
            default = " ".join(map(str, default)) or "[]"
        elif default is None or isinstance(default, bool):
            default = yaml.safe_dump(default).split()[0]
        meaning = " ".join((field.description or "").split()).replace("None", "null")
        yield f"--{prefix}{name.replace('_', '-')} {default}", meaning
