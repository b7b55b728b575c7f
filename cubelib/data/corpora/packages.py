"""The packages that hold the texts: where they lie, and what they say about themselves."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

REQUIREMENTS = {  # module → what pip installs
    "chitchat_dataset": "chitchat-dataset==0.9.0",
    "chatterbot_corpus": "chatterbot-corpus==1.3.3",
    "wiki_ru_wordnet": "wiki-ru-wordnet==1.0.3",
}
_CLASSIFIER = "License :: "


def package_folder(module: str) -> Path:
    """Where an installed package lies; it is not imported.

    Raises:
        ModuleNotFoundError: it is not installed; the message holds the command that installs it.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"corpora: the text package {module!r} is not installed. "
            f"Install it with: python -m pip install {REQUIREMENTS[module]}"
        )
    return Path(spec.origin).parent


@dataclass(frozen=True)
class Package:
    """A text package in its own words; None for what it does not say, and before it is installed."""

    name: str
    version: str | None
    license: str | None
    source: str | None


def package_facts(module: str) -> Package:
    """What the installed package's metadata say.

    Example:
        >>> package_facts("chitchat_dataset").license
        'MIT'
    """
    name = REQUIREMENTS[module].partition("==")[0]
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return Package(name, None, None, None)
    classified = [entry for entry in found.get_all("Classifier", []) if entry.startswith(_CLASSIFIER)]
    license = found.get("License-Expression") or found.get("License")
    if not license and classified:
        license = classified[0].rpartition(" :: ")[2]
    addresses = dict(entry.split(", ", 1) for entry in found.get_all("Project-URL", []))
    return Package(name, found["Version"], license, addresses.get("Repository") or found.get("Home-page"))
