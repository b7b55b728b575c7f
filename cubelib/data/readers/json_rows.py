"""The rows of .json and .jsonl files, with the line on which each begins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from cubelib.data.readers.files import check_text, lines, listed, not_utf8
from cubelib.data.readers.problems import RowLog
from cubelib.errors import DataError

LARGEST_JSON = 500_000_000  # bytes: a .json file is read whole

_SPACE = re.compile(r"[ \t\r\n]*")

Fault = tuple[str, str]  # what is wrong, what to do
Item = tuple[int, Any, Fault | None]  # line, value, fault


class _Decoder:
    """JSON values out of a text, one after the other, with an eye on keys that an object has twice."""

    def __init__(self) -> None:
        self._twice: list[str] = []
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):  # json itself would keep the last in silence
            names = [name for name, _ in pairs]
            self._twice += [name for name in found if names.count(name) > 1]
        return found

    def value(self, text: str, at: int) -> tuple[Any, int]:
        """The value that begins at `at`, and where the next thing begins."""
        value, end = self._decoder.raw_decode(text, at)
        return value, _SPACE.match(text, end).end()

    def fault(self) -> Fault | None:
        """What is wrong with the values read since the last call."""
        twice, self._twice = self._twice, []
        return (f"the key {twice[0]!r} stands twice in one object", "Rename or remove one of them.") if twice else None

    def items(self, text: str, at: int) -> tuple[list[Item], int]:
        """The items of the list that opens at `at`, and where the next thing begins."""
        items: list[Item] = []
        line, counted = 1 + text.count("\n", 0, at), at
        at = _SPACE.match(text, at + 1).end()
        while not text.startswith("]", at):
            if items:
                at = _after(text, at, ",")
            line += text.count("\n", counted, at)
            counted = at
            value, at = self.value(text, at)
            items.append((line, value, self.fault()))
        return items, _after(text, at, "]")

    def members(self, text: str, at: int) -> tuple[dict[str, list[Item] | None], int]:
        """The members of the object that opens at `at`, lists with their items, others as None; and what is next."""
        members: dict[str, list[Item] | None] = {}
        at = _SPACE.match(text, at + 1).end()
        while not text.startswith("}", at):
            if members:
                at = _after(text, at, ",")
            if not text.startswith('"', at):
                raise JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
            start = at
            name, at = self.value(text, at)
            if name in members:
                raise JSONDecodeError(f"The key {name!r} stands twice", text, start)
            at = _after(text, at, ":")
            if text.startswith("[", at):
                members[name], at = self.items(text, at)
            else:
                _, at = self.value(text, at)
                members[name] = None
                self.fault()  # no row: what stands twice in there is not read
        return members, _after(text, at, "}")


def _after(text: str, at: int, mark: str) -> int:
    if not text.startswith(mark, at):
        raise JSONDecodeError(f"Expecting {mark!r} delimiter", text, at)
    return _SPACE.match(text, at + 1).end()


def jsonl_rows(log: RowLog, *_: object) -> Iterator[tuple[str, Any]]:
    """A JSON value a line; blank lines are no rows."""
    decoder = _Decoder()
    for number, line in enumerate(lines(log.path), start=1):
        start = _SPACE.match(line).end()
        if start == len(line):
            continue
        log.total += 1
        place, fault = f"line {number}", None
        try:
            row, end = decoder.value(line, start)
            if end < len(line):
                raise JSONDecodeError("Extra data", line, end)
        except JSONDecodeError as error:
            advice = f"It goes wrong at character {error.pos + 1}. Write one JSON object on each line."
            if log.total == 1 and line.strip() in ("[", "{", "[{"):
                advice = "The file seems to hold one JSON value over many lines: rename it to .json."
            fault = f"not valid JSON ({error.msg})", advice
        except (RecursionError, ValueError) as error:  # nested too deeply, or a whole number of thousands of digits
            fault = "JSON that cannot be read", f"It says: {error}. Mend it, or remove the line."
        if fault := (decoder.fault() or fault):
            log.bad(place, *fault)
        else:
            yield place, row


def json_rows(log: RowLog, *_: object) -> Iterator[tuple[str, Any]]:
    """The items of a list, or of the one list that an object has."""
    path = log.path
    text = _whole(path)
    decoder = _Decoder()
    start = _SPACE.match(text).end()
    members = None
    try:
        if text.startswith("[", start):
            items, end = decoder.items(text, start)
        elif text.startswith("{", start):
            members, end = decoder.members(text, start)
        else:
            value, end = decoder.value(text, start)
            raise DataError(
                f"Reading {path}: expected a list of objects, such as [{{…}}, {{…}}]; the file holds {value!r:.60}."
            )
        if end < len(text):
            raise JSONDecodeError("Extra data", text, end)
    except JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            advice = "The file ends there: it was cut short. Write it again."
        elif error.msg == "Extra data":
            advice = "If each line holds an object of its own, rename the file to .jsonl."
        else:
            advice = "Mend the file, or write it again with a JSON library."
        raise DataError(
            f"Reading {path}, line {error.lineno}: not valid JSON ({error.msg}, character {error.colno}). {advice}"
        ) from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"Reading {path}: the JSON cannot be read ({error}). Write a flat list of objects.") from None
    if members is not None:
        items = _only_list(path, members)
    for line, row, fault in items:
        log.total += 1
        if fault:
            log.bad(f"line {line}", *fault)
        else:
            yield f"line {line}", row


def _only_list(path: Path, members: dict[str, list[Item] | None]) -> list[Item]:
    lists = [name for name, items in members.items() if items is not None]
    if len(lists) == 1:
        return members[lists[0]]
    if lists:
        raise DataError(
            f"Reading {path}: the file holds {len(lists)} lists, {listed(lists)}; which has the rows? Keep only one, "
            "as [{…}, {…}]."
        )
    raise DataError(
        f"Reading {path}: expected a list of objects, such as [{{…}}, {{…}}]; the file holds one object with "
        f"{listed(list(members))}. If each line is an object of its own, rename the file to .jsonl."
    )


def _whole(path: Path) -> str:
    size = path.stat().st_size
    if size > LARGEST_JSON:
        raise DataError(
            f"Reading {path}: {size / 1e6:,.0f} MB, and a .json file is read whole, up to {LARGEST_JSON / 1e6:,.0f} "
            "MB. Save it as .jsonl, an object a line."
        )
    check_text(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_utf8(path) from None
