"""TrainingConfig: everything a training run depends on, from Python, a dict or YAML, checked before anything starts.

An unknown key is a mistake, never ignored; all mistakes are reported at once, with the nearest known name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from cubelib.errors import ConfigError
from cubelib.filters import QualityFilter
from cubelib.lattice.perceive import BOUNDARIES, NEIGHBORHOODS
from cubelib.lattice.rule import RULES
from cubelib.reshaper import Layout

Mode = Literal["autoencoder", "dialogue", "mixed"]
MODES: tuple[str, ...] = ("autoencoder", "dialogue", "mixed")
ROOT_KEY = "cube_training"
# In autoencoder and mixed mode the cube passes on 4 numbers a cell of its middle plane: 256 numbers at 8×8 cells.
DEFAULT_WAIST = 4


class _Block(BaseModel):
    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        # YAML reads `epochs: yes` as True, and pydantic True as 1.
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError(f"{'yes' if value else 'no'} is not a value it takes")
        return value


class CoreConfig(_Block):
    """The lattice (`cubelib.CubicCore`) and the layout of numbers on it (`cubelib.EmbeddingReshaper`)."""

    state_channels: Annotated[int, Field(ge=1)] = 16
    """Numbers in a cell's state; raised to the input's channels where those are more."""
    hidden: Annotated[int, Field(ge=1)] = 32
    """Width of a cell's hidden layer."""
    rule: Literal[RULES] = "genome"
    """shared: one network for all cells; genome: shared, tuned for each cell; local: a network for each cell."""
    neighborhood: Literal[tuple(NEIGHBORHOODS)] = "moore"
    """moore: 26 neighbours; von_neumann: 6."""
    boundary: Literal[BOUNDARIES] = "zero"
    """What cells on the rim of a plane see outside."""
    conduction: bool = True
    """Whether states move one plane a tick by themselves."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Ticks, at least depth − 1; None means depth − 1."""
    waist: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels a cell of the middle plane passes on. auto: 4 in autoencoder and mixed mode, none in dialogue."""
    cell_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability, in training, that a cell skips its update in a tick."""
    gradient_checkpointing: bool = False
    """Recompute ticks in the backward pass to save memory."""
    layout: Layout = "pca"
    """Which number goes to which cell; pca and spectral are fitted on the training vectors."""

    @field_validator("waist", mode="before")
    @classmethod
    def _number_auto_or_none(cls, value: Any) -> Any:
        if value in ("auto", None) or (str(value).isdecimal() and int(value) >= 1):
            return value
        raise ValueError(f"expected a whole number of at least 1, auto, or null for no waist; got {value!r:.80}")


class FilterConfig(_Block):
    """Items to sort out before the split (`cubelib.filters.QualityFilter`); off unless set, and counted."""

    words: Annotated[list[int | None], Field(min_length=2, max_length=2)] | None = None
    """Fewest and most words of a text, null for no bound: [3, null]."""
    script: str | None = None
    """The script of the letters: latin, cyrillic, arabic, han, …"""
    script_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Least share of a text's letters that must be of the script."""
    cosine: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = None
    """Lowest and highest cosine between question and answer, null for no bound."""
    repeats: Annotated[int, Field(ge=1)] | None = None
    """Most items (of conversations: most conversations) in which a text may occur; greetings occur in all."""
    drop_duplicates: bool = False
    """Keep the first of items whose texts differ in case and white space only."""

    @model_validator(mode="after")
    def _makes_sense(self) -> FilterConfig:
        self.quality_filter()
        return self

    def quality_filter(self) -> QualityFilter:
        """The filter that these settings describe."""
        return QualityFilter(**self.model_dump())


class DataConfig(_Block):
    """Where training texts or vectors come from, and how they are split."""

    file: str | None = None
    """Texts, pairs, conversations or vectors: .txt .csv .tsv .json .jsonl .parquet .npy .npz .safetensors, or
    hub:organisation/name for a data set of the Hugging Face hub. None: the built-in corpora."""
    content: Literal["auto", "texts", "conversations", "vectors"] = "auto"
    """What the file holds. auto: vectors in .npy, .npz and .safetensors, texts (pairs in dialogue and mixed mode) in
    all others."""
    text_column: str = "text"
    """Column of the texts in a table, for autoencoder."""
    question_column: str = "question"
    """Column of the questions, for dialogue; of vectors: the array or column of the questions' vectors."""
    answer_column: str = "answer"
    """Column of the answers."""
    vector_column: str | None = None
    """For autoencoder on vectors: the array in an .npz or .safetensors file (None: the only one), or the column of a
    table (None: embedding)."""
    messages_column: str = "messages"
    """Of conversations: the column with the list of turns."""
    conversation_column: str | None = None
    """Of conversations with a turn in each row: the column that tells them apart; the turns are in text_column."""
    role_column: str | None = None
    """Of conversations with a turn in each row: the column that says who speaks."""
    context: Annotated[int, Field(ge=1)] = 1
    """Of conversations: turns in a question."""
    bad_rows: Literal["error", "skip"] = "error"
    """error: a row that cannot be used stops the run; skip: such rows are left out, and a warning counts them."""
    hub_split: str = "train"
    """Of a data set of the hub: which of its splits is read (cubelib divides it anew)."""
    hub_config: str | None = None
    """Of a data set of the hub: which of its configs; None: the only one."""
    language: str = "en"
    """Of the built-in dialogues (python -m cubelib corpora lists them)."""
    limit: Annotated[int, Field(ge=10)] | None = None
    """How many sentences or pairs of a built-in corpus; None: as many as have ready-made vectors."""
    teacher: str = "all-mpnet-base-v2"
    """The sentence encoder: all-mpnet-base-v2, another name of `cubelib.TeacherEncoder`, a folder with a
    sentence-transformers model, or hub:organisation/name."""
    cache_dir: Path | None = None
    """Folder for encoded texts; None: the user's cache folder, or $CUBELIB_CACHE."""
    filters: FilterConfig = FilterConfig()
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of the items that choose the best epoch."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of the items that the report is measured on."""
    near_copy: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Cosine from which two texts count as copies, which are never split between training and test; 1: equal vectors
    only."""

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> DataConfig:
        if self.file is None and self.content == "vectors":
            raise ValueError("content: vectors come from a file, and file is null; name one")
        for name in ("limit", "language"):
            if self.file is not None and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} is for the built-in corpora, and file is {self.file}; leave one of them out")
        return self

    @field_validator("file", "teacher", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value


class MixedConfig(_Block):
    """Mixed mode: both losses in every step."""

    autoencoder_weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of the autoencoder loss; the dialogue loss has 1 minus it."""


class TrainingConfig(_Block):
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
        >>> config.learning_rate, config.waist
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
    threads: Annotated[int, Field(ge=1)] | None = 1
    """CPU threads of the command line's runs; None: as many as torch takes. In Python call torch.set_num_threads."""
    random_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the split, the first weights and the order of batches."""
    lattice_size: Annotated[list[int], Field(min_length=3, max_length=3)] = [8, 8, 8]
    """Cells along depth, rows and columns, each at least 1."""
    embedding_dim: Annotated[int, Field(ge=1)] = 768
    """Numbers in a vector; must be what the teacher gives."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Vectors a step."""
    learning_rate: Annotated[float, Field(gt=0, lt=10)] = 0.001
    """Step size of the optimiser."""
    epochs: Annotated[int, Field(ge=0)] = 50
    """Most passes over the training vectors; 0 evaluates the untrained cube."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adamw"
    """adam, adamw or sgd."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the weights towards zero."""
    loss_function: Literal["auto", "cosine", "mse", "combined", "contrastive", "contrastive_cosine"] = "auto"
    """auto, cosine, mse, combined, contrastive or contrastive_cosine; auto is cosine in autoencoder mode and
    contrastive_cosine in dialogue."""
    convergence_threshold: Annotated[float, Field(ge=0)] = 0.001
    """Rise of the validation score that counts as an improvement."""
    target_similarity: Annotated[float, Field(ge=-1, le=1)] = 0.90
    """Held-out cosine to reach; the report says whether it was."""
    early_stopping_patience: Annotated[int, Field(ge=1)] = 5
    """Epochs without such an improvement after which training counts as converged and stops."""
    log_interval: Annotated[int, Field(ge=1)] = 1
    """Epochs between lines of the log."""
    save_interval: Annotated[int, Field(ge=1)] = 5
    """Epochs between saves of the weights as they are; the best epoch's are saved at the end."""
    checkpoint_dir: Path = Path("runs")
    """Folder that receives a new numbered folder for each run."""
    core: CoreConfig = CoreConfig()
    data: DataConfig = DataConfig()
    mixed: MixedConfig = MixedConfig()

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
        if self.waist is not None and self.waist > self.state_channels:
            raise ValueError(
                f"core.waist: {self.waist} channels cannot pass where a cell has {self.state_channels} "
                f"(core.state_channels); use {self.state_channels} or less"
            )
        if self.mode == "autoencoder" and self.data.language != "en":
            raise ValueError(
                f"data.language: the built-in sentences are English, pairs in {self.data.language!r} are for dialogue "
                "and mixed mode; set mode to dialogue, or language to en"
            )
        if self.data.validation_fraction + self.data.test_fraction >= 0.9:
            raise ValueError("data: validation_fraction and test_fraction leave less than a tenth for training")
        return self

    @property
    def in_channels(self) -> int:
        """Numbers each cell of the front face receives: ceil(embedding_dim / (rows · columns))."""
        return -(-self.embedding_dim // (self.lattice_size[1] * self.lattice_size[2]))

    @property
    def state_channels(self) -> int:
        """Numbers in a cell's state: core.state_channels, or in_channels where that is more."""
        return max(self.core.state_channels, self.in_channels)

    @property
    def waist(self) -> int | None:
        """The waist in use, with "auto" resolved for the mode."""
        if self.core.waist == "auto":
            return None if self.mode == "dialogue" else min(DEFAULT_WAIST, self.state_channels)
        return self.core.waist

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


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, which would silently keep the last of two equal keys, made to refuse them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value if not key.tag.endswith(":merge")]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice; remove one of them", node.start_mark
                )
        return super().construct_mapping(node, deep)


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
