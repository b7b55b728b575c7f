"""Contents as HTML: a page of its own, or a part of an exported notebook. Neither asks a network for anything."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import to_hex

Panel = dict[str, Any]
Content = dict[str, Any]

# With 1 in this variable a view's output holds HTML that draws it, for notebooks that are exported as pages.
EXPORTED = "CUBELIB_EXPORTED"
INTERVAL = 700  # milliseconds a tick, when playing
# The palettes to choose from, the first by default; people with any common color vision can read them.
PALETTES = {"sequential": ("viridis", "cividis", "magma"), "signed": ("PuOr", "RdBu")}
_STOPS = 33  # colors that are sent of each; those between are blended
_STYLE = "body{margin:0;background:Canvas;color-scheme:light dark;font-family:system-ui,sans-serif}"


def new_content(rows: Sequence[Sequence[Panel]], *, title: str = "", ticks: int = 1) -> Content:
    """What the front end draws.

    Args:
        rows: panels from top to bottom; those of a row are next to each other where there is room.
        title: shown above, as it is typed.
        ticks: of the player; 1 for no player.

    Example:
        >>> sorted(new_content([]))
        ['interval', 'palettes', 'rows', 'ticks', 'title']
    """
    return {
        "rows": [list(row) for row in rows],
        "title": title,
        "ticks": ticks,
        "interval": INTERVAL,
        "palettes": _palettes(),
    }


def page(content: Content, summary: str, twin: bytes) -> str:
    """A whole page.

    Args:
        content: what it draws.
        summary: its title.
        twin: the printed picture, a PNG, for browsers without WebGL.
    """
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(summary)}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body>\n{_element(content, summary, twin)}\n{_program()}\n{_MOUNT}\n"
        "</body></html>\n"
    )


_program_is_out = False


def part_of_page(content: Content, summary: str, twin: bytes) -> str:
    """A part of an exported notebook. The first one of a kernel holds the program too, for all that follow.

    Args:
        content: what it draws.
        summary: said where scripts do not run.
        twin: the printed picture, a PNG, for browsers without WebGL.
    """
    global _program_is_out
    program, _program_is_out = "" if _program_is_out else _program(), True
    return f"{_element(content, summary, twin)}\n{program}{_MOUNT}"


def exported() -> bool:
    """Whether a notebook is run to be exported as a page."""
    return os.environ.get(EXPORTED) == "1"


@cache
def bundle() -> str:
    """The program."""
    return Path(__file__).with_name("bundle.min.js").read_text(encoding="utf-8")


_MOUNT = '<script type="module">globalThis.cubelib.mountPage()</script>'


def _program() -> str:
    return f'<script type="module">{bundle()}</script>\n'


def _element(content: Content, summary: str, twin: bytes) -> str:
    # No text can end the script: JSON has no other use for this sign than within texts.
    data = json.dumps(content | {"twin": twin}, default=_base64, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<div data-cubelib><script type="application/json">{data}</script>'
        f"<noscript>{escape(summary)}. The picture needs JavaScript.</noscript></div>"
    )


def _base64(data: Any) -> str:
    return base64.b64encode(data).decode()


@cache
def _palettes() -> dict[str, dict[str, list[str]]]:
    return {
        kind: {name: [to_hex(colormaps[name](stop / (_STOPS - 1))) for stop in range(_STOPS)] for name in names}
        for kind, names in PALETTES.items()
    }
