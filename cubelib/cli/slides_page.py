"""Slides as one HTML file that needs nothing else: reveal.js, pictures and formulas are part of it."""

from __future__ import annotations

import html
import io
import re
from importlib.resources import files

from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from cubelib.cli.slides import Slide

FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\w$`])\$([^$\n]+)\$(?![\w$])", re.DOTALL)
WIDTH, HEIGHT = 1190, 600  # of a slide of 1280 × 720 without its margins
ARROWS = 100  # pixels at the right of the last lines
CAPTION = 24  # the largest letters below a picture, in pixels
DENSE, VERY_DENSE = 55, 110  # words on a slide from which the letters get smaller
STYLE = """
:root { --ink: #1b1b1f; --soft: #5f6368; --line: #d9dce1; --accent: #0b62a4; }
body { background: #fff; }
.reveal { font: 34px/1.35 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: var(--ink); }
.reveal .slides { text-align: left; }
.slide { height: 720px; box-sizing: border-box; padding: 62px 12px 44px; display: flex; flex-direction: column;
  justify-content: center; gap: 22px; }
header { position: absolute; top: 14px; left: 12px; font-size: 20px; color: var(--soft); }
h1 { font-size: 72px; line-height: 1.1; margin: 0; }
h2 { font-size: 60px; line-height: 1.15; margin: 0; }
.reveal p, .reveal ul, .reveal ol { margin: 0; }
.reveal li { margin: 0 0 .35em; }
.reveal p + ul { margin-top: 12px; }
.block { max-width: 1180px; }
.predict .block { font-size: 44px; border-left: 8px solid var(--accent); padding-left: 32px; }
.conclusion .block { font-size: 50px; font-weight: 650; }
.dense .block { font-size: 30px; }
.very-dense .block { font-size: 24px; line-height: 1.3; }
pre { margin: 0; padding: 16px 22px; font-family: ui-monospace, Consolas, "DejaVu Sans Mono", monospace;
  line-height: 1.4; white-space: pre; overflow: hidden; border-radius: 8px; }
pre.code { background: #f4f5f7; }
pre.text { border: 2px solid var(--line); }
.picture pre { margin-right: 100px; }  /* not below the arrows */
:not(pre) > code { font: .88em ui-monospace, Consolas, "DejaVu Sans Mono", monospace; background: #f0f1f4;
  padding: 0 .2em; border-radius: 4px; }
figure { margin: 0; flex: 1; min-height: 0; display: flex; align-items: center; justify-content: center; }
figure img { max-width: 100%; max-height: 100%; width: 100%; height: 100%; object-fit: contain; }
table { border-collapse: collapse; font-size: 26px; }
th, td { border-bottom: 2px solid var(--line); padding: 7px 16px 7px 0; text-align: left; vertical-align: top; }
.formula { text-align: center; }
.formula svg { max-width: 100%; height: auto; }
svg.inline { display: inline; }
.reveal .controls, .reveal .progress { color: var(--accent); }
.reveal .slide-number { background: none; color: var(--soft); font-size: 16px; right: auto; left: 12px; }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{reveal_css}</style>
<style>{style}</style>
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script>{reveal_js}</script>
<script>{notes_js}</script>
<script>
Reveal.initialize({{
  width: 1280, height: 720, margin: 0.03, center: false, hash: true, slideNumber: 'c/t', transition: 'none',
  navigationMode: 'linear', plugins: [RevealNotes]
}});
</script>
</body>
</html>
"""


def page(sections: list[list[Slide]]) -> str:
    """The HTML file of the slides of a notebook."""
    shown = [f"<section>\n{''.join(map(_section, section))}</section>" for section in sections]
    return PAGE.format(
        title=html.escape(sections[0][0].header),
        style=STYLE,
        slides="\n".join(shown),
        reveal_css=_bundled("reveal.css"),
        reveal_js=_bundled("reveal.js"),
        notes_js=_bundled("notes.js"),
    )


def _bundled(name: str) -> str:
    """A file of reveal.js, as it can be written into a page."""
    text = (files("cubelib.cli") / "reveal" / name).read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script")


def _section(slide: Slide) -> str:
    heading = {"title": "h1", "section": "h2", "exercise": "h2", "summary": "h2"}.get(slide.kind)
    title = html.escape(slide.header)
    top = f"<{heading}>{title}</{heading}>" if heading else f"<header>{title}</header>"
    words = sum(len(content.split()) for form, content, _ in slide.blocks if form == "markdown")
    density = " very-dense" if words > VERY_DENSE else " dense" if words > DENSE else ""
    pixels = _letters(slide)
    body = "\n".join(_block(*block, pixels) for block in slide.blocks)
    notes = "".join(markdown(note) for note in slide.notes)
    aside = f'<aside class="notes">{notes}</aside>\n' if notes else ""
    return f'<section class="{slide.kind}{density}"><div class="slide">\n{top}\n{body}\n</div>\n{aside}</section>\n'


def _letters(slide: Slide) -> int:
    """The size of letters at which all code and text of a slide fit, in pixels; below a picture they stay small."""
    programs = [content for form, content, _ in slide.blocks if form in ("code", "text")]
    lines = [line for content in programs for line in content.splitlines()]
    if not lines:
        return 0
    height = HEIGHT - 60 * len(programs) - HEIGHT * (len(slide.blocks) > len(programs)) // 2
    if slide.kind == "picture":
        return int(min(CAPTION, (WIDTH - ARROWS) / (0.61 * max(map(len, lines)))))
    return int(min(34, WIDTH / (0.61 * max(map(len, lines))), height / (1.4 * len(lines))))


def _block(form: str, content: str, words: str, pixels: int) -> str:
    if form == "picture":
        return f'<figure><img alt="{html.escape(words)}" src="data:image/png;base64,{content}"></figure>'
    if form == "markdown":
        return f'<div class="block">{markdown(content)}</div>'
    inner = html.escape(content)
    if form == "code":
        formatter = HtmlFormatter(nowrap=True, noclasses=True, style="tango")
        inner = highlight(content, PythonLexer(), formatter).rstrip("\n")
    return f'<pre class="{form}" style="font-size: {pixels}px">{inner}</pre>'


def markdown(text: str) -> str:
    """Markdown as HTML: formulas are drawn, links are plain text, HTML is shown as it is written.

    Example:
        >>> markdown("**Predict** what [this](x.md) gives.").strip()
        '<p><strong>Predict</strong> what this gives.</p>'
    """
    drawn: list[str] = []

    def keep(formula: re.Match[str]) -> str:
        drawn.append(_drawn(formula[1] or formula[2], is_block=formula[1] is not None))
        return f"FORMULA{len(drawn) - 1}END"

    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", FORMULA.sub(keep, text))
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    shown = str(renderer.render(text))
    return re.sub(r"FORMULA(\d+)END", lambda place: drawn[int(place[1])], shown)


def _drawn(tex: str, *, is_block: bool) -> str:
    """A formula as a drawing that needs no fonts, its source as alternative text; code where it cannot be drawn."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    label, size, file = html.escape(tex.strip()), 12, io.BytesIO()
    try:
        depth = math_to_image(f"${tex.strip()}$", file, prop=FontProperties(size=size), format="svg")
    except ValueError:
        return f"<code>{label}</code>"
    svg = re.sub(r"<\?xml.*?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", "", file.getvalue().decode(), flags=re.DOTALL)
    scale = 1.25 if is_block else 1.0

    def in_em(found: re.Match[str]) -> str:
        return f'{found[1]}="{float(found[2]) / size * scale:.3f}em"'

    opening, rest = svg[svg.index("<svg") :].split(">", 1)
    opening = re.sub(r'\b(width|height)="([\d.]+)pt"', in_em, opening)
    style = "" if is_block else f' style="vertical-align: -{depth / size:.3f}em"'
    inline = f'{opening} role="img" aria-label="{label}" class="inline"{style}>{rest}'
    return f'<span class="formula">{inline}</span>'
