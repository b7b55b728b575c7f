"""TrainingConfig: everything a training run depends on, from Python, a dict or YAML, checked before anything starts.

An unknown key is a mistake, never ignored; all mistakes are reported at once, with the nearest known name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_serializer, field_validator, model_validator

from cubelib.errors import ConfigError, DataError
from cubelib.training.config_blocks import Block, CoreConfig, DataConfig, MixedConfig

if TYPE_CHECKING:
    from cubelib.training.losses import Loss

Mode = Literal["autoencoder", "dialogue", "mixed"]
MODES: tuple[str, ...] = ("autoencoder", "dialogue", "mixed")
ROOT_KEY = "cube_training"
# In autoencoder and mixed mode the cube passes on 4 numbers a cell of its middle plane: 256 numbers at 8×8 cells.
DEFAULT_BOTTLENECK = 4
# In dialogue mode the local rule has hundreds of weights for each pair, and learns them by heart without it.
DIALOGUE_DROPOUT = 0.3


class TrainingConfig(Block):
    """A training run.

    Args:
        mode: "autoencoder" (give back the input), "dialogue" (question → answer) or "mixed".
        lattice_size: cells along depth, rows and columns.

    The other fields are described beside their defaults. Build it from keywords, `from_dict` or `from_yaml`.

    Raises:
        ConfigError: from `from_dict` and `from_yaml`, with every mistake in one message. The constructor raises
            pydantic's ValidationError, also a ValueError.

    Example:
        >>> config = TrainingConfig(mode="autoencoder", lattice_size=[8, 8, 8], epochs=5)
        >>> config.learning_rate, config.bottleneck
        (0.001, 4)
        >>> TrainingConfig.from_dict({"epoch": 5})
        Traceback (most recent call last):
        ...
        cubelib.errors.ConfigError: TrainingConfig: 1 mistake in a dict. epoch: not a known key; did you mean epochs?
    """

    mode: Mode = "autoencoder"
    """autoencoder (give back the input), dialogue (question → answer), or mixed (both)."""
    device: str = "cpu"
    """cpu, cuda, cuda:N, or auto for a GPU where there is one."""
    threads: Annotated[int, Field(ge=1)] | None = 2
    """Maximum number of CPU threads on the command line; None leaves it to torch. In Python, call
    torch.set_num_threads."""
    random_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed for the data split, weight initialization and shuffling."""
    lattice_size: Annotated[list[int], Field(min_length=3, max_length=3)] = [8, 8, 8]  # noqa: RUF012 (pydantic copies it)
    """Cells along depth, rows and columns, each at least 1."""
    embedding_dim: Annotated[int, Field(ge=0)] = 768
    """Numbers in a vector, as the teacher or the file of vectors has them. auto: take them from there, and answer_dim
    too; in Python the value is 0 until that is done."""
    answer_dim: Annotated[int, Field(ge=1)] | None = None
    """Numbers in an answer's vector, if another encoder made the answers; None: embedding_dim. In dialogue mode."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Vectors per step."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """Step size of the optimizer."""
    epochs: Annotated[int, Field(ge=0)] = 50
    """Maximum number of epochs; 0 only evaluates the untrained cube."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    """adam, adamw or sgd."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Strength of the pull of weights toward zero."""
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    """Learning-rate schedule over all steps: constant, cosine (falls to 0) or one_cycle (rises, then falls)."""
    warmup: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Fraction of the steps in which the learning rate rises; None: 0.3 for one_cycle, else 0."""
    gradient_clipping: Annotated[float, Field(gt=0)] | None = None
    """Maximum global gradient norm; None disables clipping."""
    gradient_accumulation: Annotated[int, Field(ge=1)] | None = None
    """Batches per step: the same step as one batch that many times as large, in less memory. None: in dialogue mode 8,
    or as many as leave 8 steps in an epoch; else 1."""
    precision: Literal["float32", "bf16", "auto"] = "float32"
    """Of matrix products: float32, bf16 (weights stay float32; slower on a CPU), or auto (bf16 on a GPU with it)."""
    temperature: Annotated[float, Field(gt=0)] = 0.05
    """Of the contrastive losses; lower gives more weight to hard negatives."""
    loss_function: Literal["auto", "cosine", "squared_distance", "combined", "contrastive", "contrastive_cosine"] = (
        "auto"
    )
    """auto, cosine, squared_distance, combined, contrastive or contrastive_cosine. auto: cosine for the autoencoder,
    contrastive for dialogue."""
    convergence_threshold: Annotated[float, Field(ge=0)] = 0.001
    """Rise of the validation score that counts as an improvement."""
    target_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.90
    """Held-out cosine to reach; the report says whether it was."""
    stop_at_target: bool = False
    """Stop as soon as the validation cosine reaches target_similarity (in mixed mode both tasks')."""
    early_stopping_patience: Annotated[int, Field(ge=1)] | None = None
    """Epochs without such an improvement after which training stops; None: 1 for the autoencoder, whose score climbs
    smoothly, else 5."""
    log_interval: Annotated[int, Field(ge=1)] = 1
    """Epochs between lines of the log."""
    save_interval: Annotated[int, Field(ge=1)] = 5
    """Epochs between saved states to resume from; the last two are kept."""
    checkpoint_dir: Path = Path("runs")
    """Folder that receives a new numbered folder for each run."""
    core: CoreConfig = CoreConfig()
    data: DataConfig = DataConfig()
    mixed: MixedConfig = MixedConfig()

    @field_validator("embedding_dim", mode="before")
    @classmethod
    def _width_or_auto(cls, value: Any) -> Any:
        if value == "auto":
            return 0
        if str(value).isdecimal() and int(value):
            return value
        raise ValueError(f"expected a whole number of at least 1, or auto; got {value!r:.80}")

    @field_serializer("embedding_dim")
    def _auto_by_name(self, value: int) -> int | str:
        return value or "auto"

    @field_validator("lattice_size", mode="before")
    @classmethod
    def _three_sizes(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) == 3 and all(str(v).isdecimal() and int(v) for v in value):
            return value
        raise ValueError(f"expected [depth, rows, columns], three whole numbers of at least 1; got {value!r:.80}")

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingConfig:
        depth = self.lattice_size[0]
        if self.core.steps is not None and self.core.steps < depth - 1:
            raise ValueError(
                f"core.steps: in {self.core.steps} ticks nothing can cross {depth} planes; "
                f"use {depth - 1} or more, or null for {depth - 1}"
            )
        if depth == 1 and not self.core.steps and self.epochs:
            raise ValueError(
                "lattice_size: on one plane the input is the output, and there is no tick in which cells could learn; "
                "use a depth of 2 or more, core.steps: 1 or more, or epochs: 0"
            )
        if self.bottleneck is not None and self.bottleneck > self.state_channels and self.embedding_dim:
            raise ValueError(
                f"core.bottleneck: {self.bottleneck} channels cannot pass where a cell has {self.state_channels} "
                f"(core.state_channels); use {self.state_channels} or less"
            )
        if self.core.global_channels and (self.bottleneck is not None or depth == 1):
            why = "they would bypass the bottleneck" if depth > 1 else "they need two planes"
            raise ValueError(
                f"core.global_channels: {self.core.global_channels} cannot be used here, {why}; use 0, or mode "
                "dialogue with core.bottleneck: null and a depth of 2 or more"
            )
        if self.batch_size * (self.gradient_accumulation or 1) == 1 and "contrastive" in map(self.loss_for, self.tasks):
            raise ValueError(
                "batch_size: a contrastive loss tells the right answer from the others of its step, and with 1 there "
                "are none to learn from; use 2 or more, gradient_accumulation, or another loss_function"
            )
        if self.mode == "autoencoder" and self.data.language != "en":
            raise ValueError(
                f"data.language: the built-in sentences are English, pairs in {self.data.language!r} are for dialogue "
                "and mixed mode; set mode to dialogue, or language to en"
            )
        if self.mode != "dialogue" and self.target_dim != self.embedding_dim:
            raise ValueError(
                f"answer_dim: in {self.mode} mode the cube gives back its input, of {self.embedding_dim} numbers; set "
                "mode to dialogue, or answer_dim to null"
            )
        if self.mode != "dialogue" and self.core.whitening:
            raise ValueError(
                f"core.whitening: only questions are whitened, and in {self.mode} mode the cube must give back its "
                "input; set mode to dialogue, or whitening to false"
            )
        if self.mode != "dialogue" and self.data.split == "new_questions":
            raise ValueError(
                f"data.split: new_questions is for dialogue mode; in {self.mode} mode the answers, which are trained "
                "on, would be tested; set mode to dialogue, or split to new_answers"
            )
        if self.data.validation_fraction + self.data.test_fraction >= 0.9:
            raise ValueError("data: validation_fraction and test_fraction leave less than a tenth for training")
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the mode trains: autoencoder, dialogue or both."""
        return ("autoencoder", "dialogue") if self.mode == "mixed" else (self.mode,)

    def loss_for(self, task: str) -> str:
        """The name of the loss that a task is trained with, "auto" resolved."""
        auto = "cosine" if task == "autoencoder" else "contrastive"
        return auto if self.loss_function == "auto" else self.loss_function

    def make_loss(self, task: str) -> Loss:
        """The loss that a task is trained with, on tensors: `loss(output, target)`."""
        from cubelib.training.losses import make_loss

        return make_loss(self.loss_for(task), self.temperature)

    @property
    def in_channels(self) -> int:
        """Numbers in each cell of a face: ceil(dim / (rows · columns)), for the longer of question and answer."""
        return self.channels_for(max(self.embedding_dim, self.target_dim))

    @property
    def target_dim(self) -> int:
        """Numbers in an output: answer_dim, or embedding_dim."""
        return self.answer_dim or self.embedding_dim

    def channels_for(self, dim: int) -> int:
        """Numbers in each cell of a face that holds a vector of `dim`."""
        return -(-dim // (self.lattice_size[1] * self.lattice_size[2]))

    def with_widths(self, dim: int, target_dim: int) -> TrainingConfig:
        """This configuration, with embedding_dim: auto replaced by the widths of questions and answers."""
        if self.embedding_dim:
            return self
        widths: dict[str, Any] = {"embedding_dim": dim, "answer_dim": None if target_dim == dim else target_dim}
        return type(self).from_dict({**self.model_dump(), **widths}, origin="the widths of the data")

    def check_widths(self, dim: int, target_dim: int, what: str) -> None:
        """Refuses vectors that do not fit: questions (or sentences) of `dim` numbers, answers of `target_dim`.

        Raises:
            DataError: another width than the configuration says; the message has the settings that fit.
        """
        if self.embedding_dim and (dim, target_dim) != (self.embedding_dim, self.target_dim):
            given, expected, settings = f"{dim}", f"{self.embedding_dim}", f"embedding_dim: {dim}"
            if target_dim != dim or self.target_dim != self.embedding_dim:
                given += f" numbers, those of answers {target_dim}"
                expected += f", answer_dim {self.target_dim}"
                settings += f" and answer_dim: {'null' if target_dim == dim else target_dim}"
            raise DataError(f"{what}: the vectors have {given} numbers, embedding_dim is {expected}. Set {settings}.")

    @property
    def state_channels(self) -> int:
        """Numbers in a cell's state: core.state_channels, or in_channels where that is more."""
        return max(self.core.state_channels, self.in_channels)

    @property
    def bottleneck(self) -> int | None:
        """The bottleneck in use, with "auto" resolved for the mode."""
        if self.core.bottleneck == "auto":
            return None if self.mode == "dialogue" else min(DEFAULT_BOTTLENECK, self.state_channels)
        return self.core.bottleneck

    @property
    def patience(self) -> int:
        """The early stopping patience in use, with None resolved for the mode."""
        if self.early_stopping_patience is None:
            return 1 if self.mode == "autoencoder" else 5
        return self.early_stopping_patience

    @property
    def cell_dropout(self) -> float:
        """The cell dropout in use, with "auto" resolved for the mode."""
        if self.core.cell_dropout == "auto":
            return DIALOGUE_DROPOUT if self.mode == "dialogue" else 0.0
        return self.core.cell_dropout

    @property
    def core_options(self) -> dict[str, Any]:
        """Keyword arguments of `CubicCore` besides the size and the input's channels, with "auto" resolved."""
        resolved = {
            "state_channels": self.state_channels,
            "bottleneck": self.bottleneck,
            "cell_dropout": self.cell_dropout,
        }
        return {**self.core.model_dump(exclude={"layout", "whitening"}), **resolved}

    @classmethod
    def load(
        cls,
        config: TrainingConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        mode: str | None = None,
        device: str | None = None,
    ) -> TrainingConfig:
        """The configuration that a config, a dict, the path of a YAML file or None (the defaults) stands for.

        Args:
            config: what to start from.
            mode, device: replace the settings of that name, unless None.

        Raises:
            ConfigError: the settings cannot be used.
        """
        if isinstance(config, (str, Path)):
            config = cls.from_yaml(config)
        elif isinstance(config, Mapping):
            config = cls.from_dict(config)
        elif config is None:
            config = cls()
        overrides = {name: value for name, value in {"mode": mode, "device": device}.items() if value is not None}
        return cls.from_dict({**config.model_dump(), **overrides}, origin="CubeTrainer's arguments")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, origin: str = "a dict") -> TrainingConfig:
        """Builds a config from nested dicts.

        Args:
            values: the fields, with or without the outer `cube_training`.
            origin: where the values came from, for messages.
        """
        if isinstance(values, Mapping) and set(values) == {ROOT_KEY}:
            values = values[ROOT_KEY]
        if not isinstance(values, Mapping):
            raise ConfigError(f"TrainingConfig: {origin} must map settings to values; got {values!r:.80}.")
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(_explain(error, origin)) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> TrainingConfig:
        """Reads the block under `cube_training:` of a YAML file."""
        path = Path(path)
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
        except OSError as error:
            raise ConfigError(f"TrainingConfig: cannot read {path}: {error.strerror}. Name a YAML file.") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"TrainingConfig: {path}, byte {error.start} is not UTF-8. Save it as UTF-8.") from None
        except (yaml.YAMLError, ValueError) as error:
            what = " ".join(str(error).replace('in "<unicode string>", ', "").split())
            raise ConfigError(f"TrainingConfig: {path} is not valid YAML: {what}.") from None
        if not isinstance(content, dict) or set(content) != {ROOT_KEY} or not isinstance(content[ROOT_KEY], dict):
            found = "nothing" if content is None else f"a {type(content).__name__}"
            if isinstance(content, dict):
                found = ", ".join(map(str, content)) + (", and nothing under it" if set(content) == {ROOT_KEY} else "")
            raise ConfigError(
                f"TrainingConfig: {path} must hold the one key {ROOT_KEY!r} with the settings under it; found: "
                f"{found:.200}. Put '{ROOT_KEY}:' on the first line and indent the rest."
            )
        return cls.from_dict(content, origin=str(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers, as JSON and YAML hold them."""
        return self.model_dump(mode="json")


class _StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML's safe loader, which would silently keep the last of two equal keys, made to refuse them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value if not key.tag.endswith(":merge")]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice; remove one of them", node.start_mark
                )
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


# No setting is a date; a folder may be called 2026-01-31.
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_scalar)

_PLAIN_WORDS = {
    "model_type": "expected settings indented under it; leave the key out for the defaults",
    "model_attributes_type": "expected settings indented under it; leave the key out for the defaults",
    "path_type": "expected a path",
    "string_type": "expected text",
    "invalid_key": "a key must be text",
}


def _explain(error: ValidationError, origin: str) -> str:
    mistakes = [_sentence(mistake) for mistake in error.errors()]
    count = f"{len(mistakes)} mistake" + ("s" if len(mistakes) > 1 else "")
    return f"TrainingConfig: {count} in {origin}. " + " ".join(mistakes)


def _sentence(mistake: Mapping[str, Any]) -> str:
    where = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "extra_forbidden":
        names = _all_keys(TrainingConfig)
        key = str(mistake["loc"][-1]).lower().replace("-", "_")
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        return f"{where}: not a known key" + (
            f"; did you mean {names[near[0]]}?" if near else f"; known are {', '.join(names.values())}."
        )
    text = _PLAIN_WORDS.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
    given = "" if mistake["type"] == "value_error" else f"; got {mistake['input']!r:.80}"
    return (f"{where}: " if where else "") + f"{text}{given}."


def _all_keys(block: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every setting's name and its full path: rule → core.rule."""
    keys = {name: prefix + name for name in block.model_fields}
    for name, field in block.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= _all_keys(field.annotation, f"{prefix}{name}.")
    return keys
