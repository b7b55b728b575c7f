"""Count lines of code, room by room: without blank lines, comments and docstrings.

python scripts/count_lines.py            # cubelib and tests
python scripts/count_lines.py --files    # every module too
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    """Lines that hold code.

    Example:
        >>> code_lines('# A comment.\\n\\ndef f():\\n    "A docstring."\\n    return [\\n        1,\\n    ]\\n')
        4
    """
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def count(folder: str) -> dict[Path, int]:
    """Every module below a folder of the project → its lines of code."""
    return {path: code_lines(path.read_text(encoding="utf-8")) for path in sorted((ROOT / folder).rglob("*.py"))}


def by_room(folder: str) -> Counter[str]:
    """The entries of a folder → their lines of code."""
    rooms: Counter[str] = Counter()
    for path, lines in count(folder).items():
        rooms[path.relative_to(ROOT / folder).parts[0]] += lines
    return rooms


def main() -> None:
    """Prints the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", action="store_true", help="list every module too")
    options = parser.parse_args()
    for folder in ("cubelib", "tests"):
        for room, lines in by_room(folder).items():
            print(f"{lines:7,}  {folder}/{room}")
            if options.files and not room.endswith(".py"):
                for path, length in count(f"{folder}/{room}").items():
                    print(f"{length:15,}  {path.relative_to(ROOT)}")
        print(f"{sum(by_room(folder).values()):7,}  {folder}\n")


if __name__ == "__main__":
    main()
