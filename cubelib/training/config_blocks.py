"""The blocks of a TrainingConfig: the core, the data and the mixed mode.

Each field is described below its default; `train --help` and the YAML file show the same words.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from cubelib.errors import DataError

if TYPE_CHECKING:
    from cubelib.data.filters import QualityFilter
    from cubelib.data.readers import Dialect


class Block(BaseModel):
    """Settings that refuse unknown names and values that make no sense, also when they are assigned."""

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        # YAML reads `epochs: yes` as True, and pydantic True as 1.
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and bool not in (annotation, *get_args(annotation)):
            raise ValueError(f"{'yes' if value else 'no'} is not a value it takes")
        return value


class CoreConfig(Block):
    """The lattice (`cubelib.CubicCore`) and the layout of numbers on it (`cubelib.EmbeddingReshaper`)."""

    state_channels: Annotated[int, Field(ge=1)] = 16
    """Numbers in a cell's state; raised to the input's channels where those are more."""
    hidden: Annotated[int, Field(ge=1)] = 8
    """Width of a cell's hidden layer."""
    rule: Literal["shared", "genome", "local"] = "local"
    """shared: one network for all cells; genome: shared, tuned for each cell; local: a network for each cell."""
    linear_path: bool = True
    """Whether a cell also adds a linear map of what it sees; without it the cube learns several times as slowly."""
    neighborhood: Literal["von_neumann", "moore"] = "moore"
    """moore: 26 neighbors; von_neumann: 6."""
    boundary: Literal["zero", "reflect", "periodic"] = "periodic"
    """What cells on the rim of a plane see outside."""
    conduction: bool = True
    """Whether states move one plane a tick by themselves."""
    global_channels: Annotated[int, Field(ge=0)] = 0
    """Channels that all cells of the front face write to and all cells of the back face read; 0 for none."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Ticks, at least depth − 1; None means depth − 1."""
    bottleneck: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Channels a cell of the middle plane passes on. auto: 4 in autoencoder and mixed mode, none in dialogue."""
    cell_dropout: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = "auto"
    """Probability, in training, that a cell skips its update in a tick. auto: 0.3 in dialogue mode, where pairs are
    few, else 0."""
    cell_damage: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability, in training, that a cell is dead for a batch: always zero, and it hands on nothing."""
    layout: Literal["row_major", "channel_major", "pca", "spectral", "random"] = "row_major"
    """Which number goes to which cell; pca and spectral are fitted on the training vectors."""
    whitening: bool = False
    """In dialogue mode: whether questions are centered and partly whitened before they enter, by how much is chosen on
    validation questions."""

    @field_validator("bottleneck", mode="before")
    @classmethod
    def _number_auto_or_none(cls, value: Any) -> Any:
        if value in ("auto", None) or (str(value).isdecimal() and int(value) >= 1):
            return value
        raise ValueError(f"expected a whole number of at least 1, auto, or null for no bottleneck; got {value!r:.80}")

    @field_validator("cell_dropout", mode="before")
    @classmethod
    def _probability_or_auto(cls, value: Any) -> Any:
        try:
            if value == "auto" or 0 <= float(value) < 1:
                return value
        except (TypeError, ValueError):
            pass
        raise ValueError(f"expected a probability, 0 or more and below 1, or auto; got {value!r:.80}")


class FilterConfig(Block):
    """Items to sort out before the split (`cubelib.data.filters.QualityFilter`); off unless set, and counted."""

    words: Annotated[list[int | None], Field(min_length=2, max_length=2)] | None = None
    """Fewest and most words of a text, null for no bound: [3, null]."""
    script: str | None = None
    """The script of the letters: latin, cyrillic, arabic, han, …"""
    cosine: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = None
    """Lowest and highest cosine between question and answer, null for no bound."""
    repeats: Annotated[int, Field(ge=1)] | None = None
    """Most items (of conversations: most conversations) in which a text may occur; greetings occur in all."""
    drop_duplicates: bool = False
    """Keep the first of items whose texts differ in case and white space only."""

    @model_validator(mode="after")
    def _makes_sense(self) -> FilterConfig:
        if self.model_dump(exclude_defaults=True):
            self.quality_filter()
        return self

    def quality_filter(self) -> QualityFilter:
        """The filter that these settings describe."""
        from cubelib.data.filters import QualityFilter

        return QualityFilter(**self.model_dump())


class DataConfig(Block):
    """Where training texts or vectors come from, and how they are split."""

    file: str | list[str] | None = None
    """Texts, pairs, conversations or vectors: .txt .csv .tsv .json .jsonl .parquet .npy .npz .safetensors .pt, text
    also packed as .gz .bz2 .xz .zst, or hub:organization/name for a data set of the Hugging Face hub. Several tables
    are read one after the other; two files of vectors are those of questions and of answers. None: the built-in
    corpora."""
    content: Literal["auto", "texts", "conversations", "vectors"] = "auto"
    """What the file holds. auto: as it looks; texts are pairs in dialogue and mixed mode."""
    text_column: str = "text"
    """Column of the texts in a table, for autoencoder; columns of tables go by name or number, counted from 0."""
    question_column: str = "question"
    """Column of the questions, for dialogue; of vectors: the array or column of the questions' vectors."""
    answer_column: str = "answer"
    """Column of the answers."""
    label_column: str | None = None
    """Of pairs: column that says whether the answer is right (1, true, …), or how good it is; see min_score."""
    min_score: float | None = None
    """Lowest value in label_column of a pair that is trained on."""
    negative_column: str | None = None
    """Of pairs: column of wrong answers that look right (hard negatives), a text or a list of them; for the contrastive
    losses."""
    vector_column: str | None = None
    """For autoencoder on vectors: the array in an .npz or .safetensors file (None: the only one), or the column of a
    table (None: embedding)."""
    messages_column: str = "messages"
    """Of conversations: the column with the list of turns."""
    conversation_column: str | None = None
    """Of conversations with a turn in each row: the column that tells them apart; the turns are in text_column."""
    role_column: str | None = None
    """Of conversations with a turn in each row: the column of the speaker. None: one of the usual, such as role."""
    answer_role: str | None = None
    """Of conversations: whose turns are answers, such as assistant; all turns are context. None: everybody's."""
    pause_hours: Annotated[float, Field(gt=0)] | None = None
    """Of conversations with times: a pause longer than this begins a new one."""
    context: Annotated[int, Field(ge=1)] = 1
    """Of conversations: turns in a question."""
    delimiter: str | None = None
    """Of delimited text: tab, comma, semicolon, pipe, or any other character between cells. None: found from the
    file."""
    header: bool | Literal["auto"] = "auto"
    """Of delimited text: whether the first line names the columns."""
    quoting: Literal["auto", "standard", "none"] = "auto"
    """Of delimited text: standard: double quotes enclose a cell; none: they are letters; auto: standard, in
    tab-separated files letters."""
    encoding: str | None = None
    """Of any text file: utf-8, cp1252, utf-16, …"""
    missing: list[str] = []
    """Words that stand for an empty cell: [nan, n/a]."""
    bad_rows: Literal["error", "skip"] = "error"
    """error: a row that cannot be used stops the run; skip: such rows are left out, and a warning counts them."""
    language: str = "en"
    """Of the built-in dialogues (python -m cubelib corpora lists them)."""
    limit: Annotated[int, Field(ge=10)] | None = None
    """Use only the first so many texts, pairs, conversations or vectors. None: all of a file; of the built-in corpora
    12,000 sentences, which a first run has time for, or 4,000 pairs. 16,000 sentences have ready-made vectors."""
    teacher: str = "all-mpnet-base-v2"
    """The sentence encoder: all-mpnet-base-v2, another name of `cubelib.TeacherEncoder`, a folder with a
    sentence-transformers model, or hub:organization/name."""
    query_prompt: str | None = None
    """What the teacher gets in front of every question, such as "query: "; None: what its own files say."""
    document_prompt: str | None = None
    """What it gets in front of every answer, and of every text in autoencoder mode; likewise."""
    cache_dir: Path | None = None
    """Folder for encoded texts; None: the user's cache folder, or $CUBELIB_CACHE."""
    filters: FilterConfig = FilterConfig()
    split: Literal["new_answers", "new_questions"] = "new_answers"
    """new_answers: no question or answer of a test pair is trained on. new_questions, in dialogue mode: known answers,
    asked for in new words, as at a help desk."""
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
        if self.file is not None and self.language != "en":
            raise ValueError(f"language is for the built-in corpora, and file is {self.file}; leave one of them out")
        return self

    @property
    def dialect(self) -> Dialect:
        """How text files are written, as far as it is set."""
        from cubelib.data.readers import Dialect

        return Dialect(self.delimiter, self.header, self.quoting, self.encoding)

    @model_validator(mode="after")
    def _dialect_makes_sense(self) -> DataConfig:
        if self.delimiter is not None:
            try:
                _ = self.dialect
            except DataError as error:
                raise ValueError(str(error)) from None
        return self

    @field_validator("*", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any, info: ValidationInfo) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return str(value) if is_number and str(info.field_name).endswith("_column") else value

    @field_validator("missing", mode="before")
    @classmethod
    def _words_as_text(cls, value: Any) -> Any:
        # YAML reads null, which is one of the words, as None.
        return [str(word or "null") for word in (value if isinstance(value, list) else [value])]

    @field_validator("file", "teacher", mode="before")
    @classmethod
    def _path_as_text(cls, value: Any) -> Any:
        parts = value if isinstance(value, list | tuple) else [value]
        if value is not None and not (parts and all(isinstance(part, str | Path) for part in parts)):
            raise ValueError(f"expected a path; got {value!r:.80}")
        return list(map(str, parts)) if parts is value else value and str(value)

    @property
    def files(self) -> list[str]:
        """The files, or none for the built-in corpora."""
        return [self.file] if isinstance(self.file, str) else self.file or []


class MixedConfig(Block):
    """Mixed mode: how the two tasks share the training."""

    plan: Literal["weighted", "alternating", "curriculum"] = "weighted"
    """weighted: both losses in every batch; alternating: an epoch trains one task; curriculum: the weight moves from
    the autoencoder in the first epoch to dialogue in the last."""
    autoencoder_weight: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of the autoencoder loss (alternating: its share of the epochs); dialogue has 1 minus it. The curriculum
    has weights of its own."""

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> MixedConfig:
        if self.plan == "curriculum" and self.autoencoder_weight != 0.7:
            raise ValueError(
                "autoencoder_weight: with plan: curriculum it moves from 1 to 0 by itself; leave it out, or set plan "
                "to weighted"
            )
        return self
