"""Data sets of the Hugging Face hub: which Parquet files make up a table, and where they are."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from cubelib.data.hub import download
from cubelib.errors import ConfigError, DataError

T = TypeVar("T")

PREFIX = "hub:"
CONVERTED = "refs/convert/parquet"  # where the hub itself keeps every data set as <config>/<split>/0000.parquet

_SMALL = [".gitattributes", "README.md"]  # in every repository: fetched to get the list of files along with them


def is_hub_name(source: object) -> bool:
    """Whether this names a data set on the hub instead of a file.

    Example:
        >>> is_hub_name("hub:squad/squad"), is_hub_name("squad.csv")
        (True, False)
    """
    return isinstance(source, str | Path) and str(source).startswith(PREFIX)


def hub_table(name: str, split: str = "train", config: str | None = None) -> list[Path]:
    """The Parquet files of a data set on the Hugging Face hub, downloaded if they are not on this machine yet.

    All readers of tables take the result: `read_texts(hub_table("hub:organization/name", split="test"))`. They also
    take the name itself, for the split "train" of the only config. Only the files of that split are fetched. Of data
    sets above 5 GB the hub has only the first part as Parquet, in a split "partial-train".

    Args:
        name: "hub:organization/name", as in the data set's address on huggingface.co.
        split: the part of the data set.
        config: the variant, such as a language; None if the data set has only one.

    Returns:
        The files in order.

    Raises:
        DataError: there is no such config or split, several configs and none chosen, or no Parquet at all; the message
            lists what there is.
        ConfigError, UserError, ModuleNotFoundError: see `cubelib.data.hub.download`.
    """
    repository = name.removeprefix(PREFIX)
    revision: str | None = CONVERTED
    try:
        tables = _tables(_file_names(repository, revision))
    except ConfigError:  # the hub has not converted it, or there is no such data set: the main branch tells
        tables = {}
    if not tables:
        revision = None
        tables = _tables(_file_names(repository, revision))
    if not tables:
        raise DataError(f"Reading {name}: the data set has no Parquet files. Download its files, and give their path.")
    files = _choose(_choose(tables, config, "config", name), split, "split", name)
    patterns = [glob.escape(file) for file in files]
    folder = download(repository, kind="dataset", revision=revision, patterns=patterns)
    return [folder / file for file in files]


def _file_names(repository: str, revision: str | None) -> list[str]:
    """All files of a repository. The hub's library keeps the list beside what it downloads."""
    folder = download(repository, kind="dataset", revision=revision, patterns=_SMALL)
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    cache = folder.parents[2]  # …/datasets--organization--name/snapshots/commit
    try:
        tree = get_cached_repo_tree(repository, repo_type="dataset", revision=folder.name, cache_dir=cache)
    except CachedRepoTreeNotFoundError as error:
        raise DataError(
            f"Reading {PREFIX}{repository}: another program put a part of this data set into {folder}, without the "
            "list of its files. Move that folder away, and start again."
        ) from error
    return [file.path for file in tree]


def _tables(files: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Config → split → Parquet files, from how they are named.

    Example:
        >>> _tables(["en/train/1.parquet", "en/train/0.parquet", "README.md"])
        {'en': {'train': ['en/train/0.parquet', 'en/train/1.parquet']}}
        >>> _tables(["data/test-0-of-1.parquet", "train.parquet"])
        {'default': {'test': ['data/test-0-of-1.parquet'], 'train': ['train.parquet']}}
    """
    tables: dict[str, dict[str, list[str]]] = {}
    for file in sorted(files):
        *folders, last = file.split("/")
        if not last.endswith(".parquet"):
            continue
        if len(folders) >= 2:  # <config>/<split>/0000.parquet, as the hub writes them
            config, split = "/".join(folders[:-1]), folders[-1]
        else:  # [<config>|data/]<split>-00000-of-00002.parquet, as their owners do
            config = folders[0] if folders and folders[0] != "data" else "default"
            split = last.removesuffix(".parquet").split("-")[0]
        tables.setdefault(config, {}).setdefault(split, []).append(file)
    return tables


def _choose(choices: dict[str, T], wanted: str | None, what: str, name: str) -> T:
    if wanted is None and len(choices) == 1:
        return next(iter(choices.values()))
    if wanted in choices:
        return choices[wanted]
    fault = f"which {what} is meant?" if wanted is None else f"there is no {what} {wanted!r}."
    raise DataError(
        f"Reading {name}: {fault} Found: {', '.join(choices)}. Choose one: hub_table({name!r}, {what}='…') gives the "
        "files for any reader."
    )
