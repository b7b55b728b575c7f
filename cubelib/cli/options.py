"""Settings on the command line: --epochs 5 --core.rule local, checked exactly like those of the YAML file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from cubelib.errors import ConfigError, DataError
from cubelib.training.config import TrainingConfig
from cubelib.training.config_blocks import DataConfig

_PYTHON = re.compile(r"; in Python [^()]*\([^()]*\)|; for pairs[^.)]*| in a configuration")
_KEYWORDS = re.compile(r"\w+=[\[\"][^()]*\((--[^()]*)\)")  # before the options that mean the same
_SETTING = re.compile(rf"(?<![/\\\w])data\.({'|'.join(DataConfig.model_fields)})\b(?:: (\[[^\]]*\]|\w+))?")


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


def as_options(message: str, options: Mapping[str, str], otherwise: str) -> str:
    """A reader's message with the options of a command in the place of the settings of a configuration.

    Args:
        message: of an error or a warning.
        options: setting under data → option of the command. Sentences about other settings are left out.
        otherwise: what stands in their place, once.

    Example:
        >>> message = "Reading data.csv: bad. Set header: true (data.header). Or set data.split: x."
        >>> as_options(message, {"header": "header"}, "Mend it.")
        'Reading data.csv: bad. Set header: true (--header). Mend it.'
    """
    sentences = []
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", message):
        settings = {setting[1] for setting in _SETTING.finditer(sentence)}
        if settings - options.keys():
            sentence = otherwise
        elif settings:
            sentence = _SETTING.sub(lambda setting: _as_option(setting, options), _PYTHON.sub("", sentence))
            sentence = _KEYWORDS.sub(r"\1", sentence)
        if sentence != otherwise or otherwise not in sentences:
            sentences.append(sentence)
    return " ".join(sentences)


def _as_option(setting: re.Match[str], options: Mapping[str, str]) -> str:
    value = (setting[2] or "").strip("[]").replace(", ", ",")
    return f"--{options[setting[1]].replace('_', '-')} {value}".rstrip()


@contextmanager
def options_for_settings(options: Mapping[str, str], otherwise: str) -> Iterator[None]:
    """What is said within the block goes through `as_options`."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_in_own_words(message: Warning | str, category: type[Warning], *where: Any) -> None:
            show(as_options(str(message), options, otherwise), category, *where)

        warnings.showwarning = show_in_own_words  # type: ignore[assignment]  # takes the rest as *where
        try:
            yield
        except DataError as error:
            raise DataError(as_options(str(error), options, otherwise)) from None
