"""No notebook uses a term of the glossary before the section that explains it.

The table in docs/glossary.md says for each term which notebook and section explains it. Prose is compared with it in
the order of the course. Not counted: code, folded blocks, links, the list "You will", the paragraph "Before you start",
the map of the notebooks, and a term that is followed by the number of a notebook that says more, "(notebook 03)".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
ROW = re.compile(r"^\| (\*\*.+?) \| (.+) \| \[(\d\d)\]\(\.\./(notebooks/[\w.]+)\), section (\d+) \|$", re.MULTILINE)

# Where the term is a word of everyday English too, the pattern that means the term.
PATTERNS = {
    "angle": r"angles?\b(?<!right angle)(?<!right angles)",
    "batch": r"batch(es)?\b",
    "bias": r"bias(es)?\b(?!`)",
    "cell": r"cells\b(?! together)",  # "the next cell" is one of the notebook
    "code": r"(?<!source )codes?\b(?! cell)",
    "control": r"(?:a|the|as a|no) control\b|controls\b",
    "conduction": r"conduct(?:s|ed|ing|ion)\b",
    "cube": r"cubes?\b",
    "fold": r"(?:un)?fold(?:s|ed|ing)?\b(?! block)",
    "genome": r"`?genome`?\b",
    "held-out": r"held[- ]out\b",
    "interval": r"intervals?\b",
    "leak": r"leak(?:s|y|ed|age)?\b|without leaks",
    "lesion": r"lesions?\b",
    "loss": r"loss(?:es)?\b(?! is felt| \*spreads)",
    "negative": r"in-batch negatives?\b",
    "neighborhood": r"(?:von neumann|moore)\b|`neighborhood`",
    "rank": r"(?<!reciprocal )ranks?\b",
    "retrieval": r"retriev(?:al|er|ers)\b",
    "rule": r"kinds of rule\b",
    "split": r"(?:the|a|which|no) splits?\b|splits\b",
    "state": r"states?\b",
    "tie": r"a tie\b|ties\b(?= count)",
    "vector": r"vectors?\b",
}

# What an introduction may name before a section explains it: words that everybody can picture.
PICTURED = {"angle", "cell", "cube", "dead cell", "plane"}


class Section(NamedTuple):
    notebook: str
    number: int  # 0 is the introduction; what follows the last numbered section has the number after it
    text: str

    @property
    def place(self) -> tuple[str, int]:
        return self.notebook, self.number


class Term(NamedTuple):
    spellings: list[str]
    place: tuple[str, int]  # notebook and section

    @property
    def name(self) -> str:
        return self.spellings[0]

    @property
    def pattern(self) -> re.Pattern[str]:
        known = PATTERNS.get(self.name)
        rest = self.spellings[1:] if known else self.spellings
        words = [r"[\s-]+".join(map(re.escape, re.split("[ -]", word))) for word in rest]
        words = [re.sub("y$", "(?:y|ie)", word) for word in words]
        alternatives = [rf"{word}(?:s|es)?\b" for word in words] + ([known] if known else [])
        return re.compile(rf"(?<![\w/.-])(?:{'|'.join(alternatives)})", re.IGNORECASE)


def terms() -> list[Term]:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    return [
        Term(names.replace("**", "").split(", "), (number, int(section)))
        for names, _, number, _, section in ROW.findall(text)
    ]


def prose(source: str) -> str:
    """What a learner reads: without code, formulas, folded blocks, links and announcements."""
    source = re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL)
    source = re.sub(r"```.*?```|\$\$.*?\$\$", "", source, flags=re.DOTALL)
    source = re.sub(r"\*\*You will\*\*\n\n(?:[- ] ?.*\n)+", "", source)
    source = re.sub(r"\*\*Before you start\.\*\*.*?(?=\n\n|\Z)", "", source, flags=re.DOTALL)
    source = re.sub(r"^# .*|^\|.*\]\(\d\d_\w+\.ipynb\).*$", "", source, flags=re.MULTILINE)
    source = re.sub(r"\[[^\]]*\]\([^)]*\)|<https?:[^>]*>|\$[^$\n]*\$", "", source)
    return re.sub(r"`[^`\n]*[=(/._][^`\n]*`|`python[^`]*`", "", source)


def sections() -> list[Section]:
    """All sections of the course, in order, but for those that list links."""
    result = []
    for notebook, path in NOTEBOOKS.items():
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(prose(cell.source) for cell in cells if cell.cell_type == "markdown")
        number = 0
        for block in re.split(r"^(?=## )", text, flags=re.MULTILINE):
            heading = re.match(r"## (\d+)\b", block)
            number = int(heading[1]) if heading else number + bool(result and block.startswith("## "))
            if not block.startswith("## Links"):
                result.append(Section(notebook, number, block))
    return result


TERMS, SECTIONS = terms(), sections()
every_term = pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name.replace(" ", "-"))


def uses(term: Term, section: Section) -> list[str]:
    """The lines of a section that use the term, without those that say which notebook says more."""
    found = []
    for match in term.pattern.finditer(section.text):
        rest = re.split(r"[.!?]\s", section.text[match.end() :], maxsplit=1)[0]
        if not re.search(r"\((?:notebooks? )?0\d\b[^)]*\)", " ".join(rest.split())):
            found.append(" ".join(section.text[max(0, match.start() - 50) : match.end() + 40].split()))
    return found


def explains(term: Term, text: str) -> bool:
    """Whether a text sets the term apart, or says what it is or means."""
    text = " ".join(re.sub(r"^#+ (.*)$", r"**\1**", text, flags=re.MULTILINE).split())
    for apart in re.finditer(r"(\*\*?|`)([^*`]+)\1( [\w-]+)?", text):  # the *test* pairs: with the word that follows
        found = term.pattern.search(apart[2] + (apart[3] or ""))
        if found and found.start() < len(apart[2]):
            return True
    word = term.pattern.pattern
    told = rf"{word}[`*]*,? (?:is|are|means|says|asks|sets|has|hears|looks|gives|comes from|[^.]{{0,18}} into)\b"
    named = rf"(?:called|call it|name) (?:an? |the )?{word}"
    aside = rf"{word}[^.:]{{0,20}}(?:: | \([a-z])"  # a lattice of 8×8×8 cells: eight planes; 4 epochs (passes over …)
    return bool(re.search(f"{told}|{named}|{aside}", text, re.IGNORECASE))


def test_the_table_is_read_whole():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    in_documents = [row for row in rows if re.search(r"\| \[(\w+\.md)\]\(\1\) \|$", row)]
    assert len(rows) == len(TERMS) + len(in_documents) and len(TERMS) >= 60
    names = [row.split("**")[1] for row in rows]
    assert names == sorted(names, key=str.lower) and len(set(names)) == len(names)
    linked = {(number, link) for _, _, number, link, _ in ROW.findall(text)}
    assert linked <= {(number, path.relative_to(ROOT).as_posix()) for number, path in NOTEBOOKS.items()}


@every_term
def test_the_section_that_is_named_explains_the_term(term):
    text = "\n".join(section.text for section in SECTIONS if section.place == term.place)
    assert text, f"notebook {term.place[0]} has no section {term.place[1]}"
    assert explains(term, text), f"{term.name} is not set apart in notebook {term.place[0]}, section {term.place[1]}"


@every_term
def test_a_term_is_not_used_before_it_is_explained(term):
    early = [
        f"{section.notebook}, section {section.number}: {use}"
        for section in SECTIONS
        if section.place < term.place and not (section.number == 0 and term.name in PICTURED)
        for use in uses(term, section)
    ]
    assert early == []
