"""Settings on the command line: --epochs 5 --core.rule local, checked exactly as if they stood in the YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cubelib.errors import ConfigError
from cubelib.training.config import TrainingConfig


def configuration(path: str | Path, options: list[str]) -> TrainingConfig:
    """The configuration of a YAML file, with some settings replaced.

    Args:
        path: the file.
        options: `--key value` or `--key=value`; a dot leads into a block, hyphens count as underscores, several values
            make a list.

    Raises:
        ConfigError: the file or an option cannot be used.
    """
    config = TrainingConfig.from_yaml(path)
    if not options:
        return config
    values = config.to_dict()
    for key, value in read_options(options):
        block = values
        *blocks, name = key.split(".")
        for part in blocks:
            block = block.setdefault(part, {})
            if not isinstance(block, dict):
                raise ConfigError(
                    f"TrainingConfig: the option --{key} looks for settings under {part}, which has none."
                )
        block[name] = value
    return TrainingConfig.from_dict(values, origin=f"{path} with the options given")


def read_options(options: list[str]) -> list[tuple[str, Any]]:
    """Pairs of a key and a value, the values read as YAML.

    Example:
        >>> read_options(["--epochs", "5", "--core.cell-dropout=0.1", "--lattice-size", "8", "8", "8"])
        [('epochs', 5), ('core.cell_dropout', 0.1), ('lattice_size', [8, 8, 8])]
    """
    found: list[tuple[str, list[str]]] = []
    for word in options:
        if word.startswith("--"):
            key, equals, value = word[2:].partition("=")
            found.append((key.replace("-", "_"), [value] if equals else []))
        elif found:
            found[-1][1].append(word)
        else:
            raise ConfigError(f"TrainingConfig: {word!r} is no option. Options look like --epochs 5.")
    for key, words in found:
        if sum(key == other for other, _ in found) > 1:
            raise ConfigError(f"TrainingConfig: the option --{key} is given twice. Leave one out.")
        if not words:
            raise ConfigError(f"TrainingConfig: the option --{key} has no value. Options look like --epochs 5.")
    return [
        (key, _value(key, words[0]) if len(words) == 1 else [_value(key, w) for w in words]) for key, words in found
    ]


def _value(key: str, word: str) -> Any:
    try:
        return yaml.safe_load(word)
    except yaml.YAMLError:
        raise ConfigError(f"TrainingConfig: cannot read the value {word!r} of the option --{key}. Quote it.") from None


def describe(block: type[BaseModel] = TrainingConfig, prefix: str = "") -> str:
    """Every option with its default and what it means, a paragraph for each.

    Example:
        >>> print(describe().split("\\n\\n")[0])
        --mode autoencoder
            autoencoder (give back the input), dialogue (question → answer), or mixed (both).
    """
    return "\n\n".join(_describe(name, field, prefix) for name, field in block.model_fields.items())


def _describe(name: str, field: FieldInfo, prefix: str) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return describe(field.annotation, f"{prefix}{name}.")
    default = field.default
    shown = "null" if default is None else " ".join(map(str, default)) if isinstance(default, list) else str(default)
    meaning = " ".join((field.description or "").split()).replace("None", "null")
    return f"--{prefix}{name.replace('_', '-')} {shown}\n    {meaning}"
