"""From what a learner writes to the model that is meant.

Taught in notebook 01.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from cubelib.encoders import multilingual, packaged, teacher
from cubelib.encoders.function_model import FunctionModel
from cubelib.encoders.sentence_model import HUB, HubModel, LocalFolder
from cubelib.encoders.text_model import TextModel
from cubelib.errors import ConfigError

KNOWN = [teacher.NAME, packaged.MINILM, multilingual.NAME]

# name → scripts of the languages it was trained on, as `cubelib.data.filters.SCRIPTS` calls them
SCRIPTS_READ = {
    teacher.NAME: ("latin",),
    packaged.MINILM: ("latin",),
    multilingual.NAME: ("latin", "cyrillic", "arabic", "han", "hiragana", "katakana", "hangul", "thai"),
}


def find_model(
    model: str | Path | Callable[[list[str]], object], *, name: str | None, cache_dir: Path, device: str
) -> TextModel:
    """The model behind a `TeacherEncoder`, not loaded yet; see there for the arguments and errors.

    Example:
        >>> find_model("all-MiniLM-L6-v2", name=None, cache_dir=Path("cache"), device="cpu").known_dim
        384
        >>> try:
        ...     find_model("all-minilm", name=None, cache_dir=Path("cache"), device="cpu")
        ... except ConfigError as error:
        ...     print(str(error)[:76])
        TeacherEncoder: unknown model 'all-minilm'. Did you mean 'all-MiniLM-L6-v2'?
    """
    if not isinstance(model, (str, Path)):
        if not callable(model):
            raise ConfigError(
                f"TeacherEncoder: a model is a name, a folder or a function, not {type(model).__name__}. Of an object "
                "pass the method that encodes: TeacherEncoder(model.encode, name='...')."
            )
        return FunctionModel(model, name=name, device=device)
    if name is not None:
        raise ConfigError(f"TeacherEncoder: name={name!r} is for functions; {str(model)!r} has a name. Leave it out.")
    asked = str(model)
    if asked == teacher.NAME:
        return teacher.MPNet(cache_dir, device)
    if asked == packaged.MINILM:
        return packaged.MiniLM(device)
    if asked == multilingual.NAME:
        return multilingual.Multilingual(device)
    if asked.startswith(HUB):
        return HubModel(asked, device)
    if Path(model).is_dir():
        return LocalFolder(model, device)
    raise ConfigError(
        f"TeacherEncoder: unknown model {asked!r}.{_meant(asked)} Known: {', '.join(map(repr, KNOWN))}, the path of a "
        "sentence-transformers folder, 'hub:organization/name' for a model of the Hugging Face hub, or a function."
    )


def _meant(asked: str) -> str:
    if asked.count("/") == 1 and asked.strip("/") == asked and asked.split("/")[1] not in KNOWN:
        return f" Did you mean {HUB + asked!r}?"
    names = {name.lower(): name for name in KNOWN}
    close = difflib.get_close_matches(asked.lower().split("/")[-1], names, n=1, cutoff=0.5)
    return f" Did you mean {names[close[0]]!r}?" if close else ""
