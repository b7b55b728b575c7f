"""What of a notebook is shown at the front of the room: a list of slides, made by rule from its cells.

Shown: headings with a first sentence, *Predict* paragraphs, pictures, short code with short output, exercises, short
lists and tables, sentences in bold, formulas, the summary. The prose goes to the speaker's notes of the slide before.
Left out: whatever is folded (hints, solutions), setup cells, checks, links.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt

Cell = dict[str, Any]

PREDICT = re.compile(r"\*\*(Predict|Choose|Decide|Before you (read|go|open))\b")
BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
DEFINITION = re.compile(r"^def ", re.MULTILINE)
REPR = re.compile(r"[A-Z]\w+\(")
YOU_WILL = "**You will**"
LAST = ("summary",)
LEFT_OUT = ("links",)
LEAD_WORDS, TASK_WORDS, LIST_WORDS, CONCLUSION_WORDS = 45, 80, 90, 4
CODE_LINES, CODE_COLUMNS = 8, 100
TEXT_LINES, TEXT_COLUMNS = 16, 92
CAPTION_LINES = 3  # of text below a picture


@dataclass
class Slide:
    """One slide: blocks of a kind, and what the speaker says.

    Attributes:
        kind: "title", "section", "predict", "conclusion", "exercise", "list", "code", "picture" or "summary".
        header: the section that it belongs to.
        blocks: what is shown, each a form ("markdown", "code", "text" or "picture") with its content; of a picture, the
            PNG in base64 and its words.
        notes: paragraphs of Markdown for the speaker.
    """

    kind: str
    header: str
    blocks: list[tuple[str, str, str]]
    notes: list[str] = field(default_factory=list)


def slides_of(notebook: dict[str, Any]) -> list[list[Slide]]:
    """The slides of a notebook, section by section; the summary comes last.

    Args:
        notebook: as its JSON file holds it.
    """
    sections: list[list[Slide]] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            for kind, text in _blocks("".join(cell["source"])):
                _add_block(sections, kind, text)
        elif cell["cell_type"] == "code" and sections:
            _add_code(sections[-1], cell)
    kept = [section for section in sections if section[0].header.lower() not in LEFT_OUT]
    return sorted(kept, key=lambda section: section[0].kind == "summary")  # a stable sort


def _blocks(source: str) -> Iterator[tuple[str, str]]:
    """The blocks of Markdown, each with its kind: "h1" to "h6", "paragraph", "list", "table", "formula" or "fence"."""
    source = re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL)
    lines = source.splitlines()
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.level or token.map is None:
            continue
        text = "\n".join(lines[token.map[0] : token.map[1]]).strip()
        kind = token.type.removesuffix("_open").removeprefix("bullet_").removeprefix("ordered_")
        if kind == "heading":
            kind, text = token.tag, text.lstrip("# ")
        yield ("formula" if text.startswith("$$") else kind), text


def _add_block(sections: list[list[Slide]], kind: str, text: str) -> None:
    """Starts a slide with a block of Markdown, or adds it to the slide at hand or its notes."""
    if kind in ("h1", "h2"):
        name = {"h1": "title"}.get(kind, "summary" if text.lower().startswith(LAST) else "section")
        sections.append([Slide(name, text, [])])
        return
    if not sections:
        return
    section, slide = sections[-1], sections[-1][-1]
    words = sum(len(content.split()) for form, content, _ in slide.blocks if form == "markdown")
    is_new = slide.kind in ("title", "section") and not words
    has_stub = any(form == "code" for form, _, _ in slide.blocks)
    is_task = slide.kind == "exercise" and not has_stub and words + len(text.split()) <= TASK_WORDS
    if kind in ("h3", "h4"):
        section.append(Slide("exercise" if text.startswith("Exercise") else "section", text, []))
    elif kind == "paragraph" and PREDICT.match(text):
        section.append(Slide("predict", section[0].header, [("markdown", text, "")]))
    elif is_task and kind in ("paragraph", "list"):
        slide.blocks.append(("markdown", text, ""))
    elif kind == "paragraph" and is_new:
        shown = shortened(text)
        slide.blocks.append(("markdown", shown, ""))
        slide.notes += [text] if shown != text else []
    elif kind == "list" and (slide.kind == "summary" or (slide.kind == "section" and not slide.blocks)):
        slide.blocks.append(("markdown", text, ""))  # what was learned, or the questions at the end
    elif kind == "list" and slide.kind == "title":
        lead_in = slide.notes.pop() if slide.notes and slide.notes[-1] == YOU_WILL else ""
        section.append(Slide("list", slide.header, [("markdown", f"{lead_in}\n\n{text}".strip(), "")]))
    elif kind == "formula" or (kind in ("list", "table") and len(text.split()) <= LIST_WORDS):
        section.append(Slide("list", section[0].header, [("markdown", text, "")]))
    else:
        slide.notes.append(text)
        if kind == "paragraph" and slide.kind != "summary" and not text.startswith((YOU_WILL, "**Before you")):
            for bold in filter(_is_sentence, BOLD.findall(text)):
                section.append(Slide("conclusion", section[0].header, [("markdown", bold, "")]))


def shortened(text: str, words: int = LEAD_WORDS) -> str:
    """The sentences at the beginning of a text that have no more than so many words together, and at least one.

    Example:
        >>> shortened("A cube is a lattice. It has cells. Nothing else matters here.", words=8)
        'A cube is a lattice. It has cells.'
    """
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z*“\"`])", " ".join(text.split()))
    shown = sentences[:1]
    for sentence in sentences[1:]:
        if len(" ".join([*shown, sentence]).split()) > words:
            break
        shown.append(sentence)
    return " ".join(shown)


def _is_sentence(text: str) -> bool:
    return text[0].isupper() and len(text.split()) >= CONCLUSION_WORDS


def _add_code(section: list[Slide], cell: Cell) -> None:
    """Adds the slides of a code cell: its code with a short output, or one for each picture and what it printed."""
    code, before = "".join(cell["source"]).strip(), section[-1]
    if "NotImplementedError" in code:
        before.blocks.append(("code", re.sub(r"\n *raise NotImplementedError\(.*", "\n    ...", code), ""))
        return
    if re.match(r"\w+ = check\.", code):
        return
    texts, pictures = _outputs(cell)
    blocks = [("code", code, "")] if _is_short(code) and not pictures else []  # it would only say how to draw
    wrapper = textwrap.TextWrapper(TEXT_COLUMNS, tabsize=4, subsequent_indent="    ")
    shown = "\n".join(wrapper.fill(line) for text in texts for line in text.splitlines())
    if 0 < len(shown.splitlines()) <= TEXT_LINES:
        blocks.append(("text", shown, ""))
    for picture, words in pictures:
        section.append(Slide("picture", section[0].header, [("picture", picture, words)]))
    continues = before.kind == "code" and not before.notes and before.blocks[-1][0] == "code"
    if blocks and len(pictures) == 1 and len(shown.splitlines()) <= CAPTION_LINES:
        section[-1].blocks += blocks
    elif blocks and continues and not pictures and _fit_together(before.blocks + blocks):
        before.blocks += blocks
    elif blocks and (blocks[-1][0] == "text" or DEFINITION.search(code)):
        section.append(Slide("code", section[0].header, blocks))


def _fit_together(blocks: list[tuple[str, str, str]]) -> bool:
    return len(blocks) <= 3 and sum(len(content.splitlines()) for _, content, _ in blocks) <= TEXT_LINES


def _is_short(code: str) -> bool:
    lines = [line for line in code.splitlines() if line.strip()]
    imports = sum(line.startswith(("import ", "from ")) for line in lines)
    fits = 0 < len(lines) <= CODE_LINES and max(map(len, lines)) <= CODE_COLUMNS
    return fits and imports <= len(lines) / 3


def _outputs(cell: Cell) -> tuple[list[str], list[tuple[str, str]]]:
    """What a cell printed, and its pictures with their words."""
    texts, pictures = [], []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            words = output["metadata"].get("image/png", {}).get("alt") or cell["metadata"].get("alt", "")
            pictures.append(("".join(data["image/png"]).replace("\n", ""), words))
        elif output["output_type"] == "error":
            texts.append(f"{output['ename']}: {output['evalue']}")
        elif "text" in output:
            texts.append("".join(output["text"]).strip("\n"))
        else:
            shown = "".join(data.get("text/plain", ""))
            texts += [] if REPR.match(shown) else [shown]  # the name of a widget says nothing
    return [text for text in texts if text], pictures
