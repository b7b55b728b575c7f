"""Rows of delimited text: the delimiter, the header and the quotation marks are found, or set by a Dialect."""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from cubelib.data.readers.columns import Columns, is_known
from cubelib.data.readers.lines import detect_encoding, format_of, text_lines
from cubelib.data.readers.looks import look_of
from cubelib.data.text import shorten
from cubelib.errors import DataError

QUOTING_ADVICE = (
    'Close every double quote, and write one inside a text as two: "say ""yes""". If quotation marks are letters in '
    "this file, set quoting: none (data.quoting)."
)
_DELIMITERS = (",", "\t", ";", "|", "^", "~", "\x01")  # the last is Hive's
_NAMES = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", r"\t": "\t"}
_LONGEST_CELL = 1 << 23  # letters; csv itself takes 131,072
_ABOVE = 10  # most lines above the header: titles and comments
_SAMPLE = (200, 1 << 18)  # lines that tell the dialect, and most letters
_STEADY = 0.9  # share of the lines that a table without a header must have in one width
_WORDS = 3  # in a cell that is no name
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*$", re.IGNORECASE)  # Excel's own
_BETWEEN_QUOTES = re.compile(r'"[^"]*"([^"\s,]|[ \t,])"')
_ROW_NAME = re.compile(r'"\d+"')  # R writes one before each row, and none in the header
_BLANKS_AFTER_QUOTE = re.compile(r'(?<=")[ \t]+$')
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*")


@dataclass(frozen=True)
class Dialect:
    r"""How a text file is written; what is left out is found from the file itself, and told in a FormatWarning.

    Args:
        delimiter: what divides the cells: one character, or one of the words "tab", "comma", "semicolon", "pipe" and
            "space".
        header: whether the first line names the columns. "auto" looks for the names that are asked for.
        quoting: "standard": double quotes enclose a cell, and two stand for one inside it. "none": they are letters.
            "auto": standard; in tab-separated files letters, but for cells that are enclosed beyond doubt.
        encoding: of any text file, as Python names it, such as "cp1252" or "utf-16".

    Raises:
        DataError: another value.

    Example:
        >>> Dialect(delimiter="tab").delimiter
        '\t'
    """

    delimiter: str | None = None
    header: bool | Literal["auto"] = "auto"
    quoting: Literal["auto", "standard", "none"] = "auto"
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter in _NAMES:
            object.__setattr__(self, "delimiter", _NAMES[self.delimiter])
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise DataError(
                "Dialect: delimiter is tab, comma, semicolon, pipe or any other character between cells; got "
                f"{self.delimiter!r}. Leave it out to have it found."
            )
        if self.header not in (True, False, "auto"):
            raise DataError(f"Dialect: header is True, False or 'auto'; got {self.header!r}.")
        if self.quoting not in ("auto", "standard", "none"):
            raise DataError(f"Dialect: quoting is 'auto', 'standard' or 'none'; got {self.quoting!r}.")


@dataclass
class Table:
    """A delimited file, its dialect found and its rows not read yet.

    Attributes:
        line: where the first row is.
        header: the names of the columns; "0", "1", … where the file has none.
        found: what was found that is not plain comma- or tab-separated UTF-8 with a header, for a notice.
        unsure: the lines where a quoted cell holds what could be rows.
        rows: the line on which a row begins, and its cells or what is wrong with it.
    """

    line: int
    header: list[str]
    found: list[str]
    rows: Iterator[tuple[int, list[str] | str]]
    unsure: list[str] = field(default_factory=list)


def open_table(path: Path, dialect: Dialect, columns: Columns) -> Table:
    """Finds out how a delimited file is written.

    Raises:
        DataError: the file cannot be read, or a column is missing.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))  # there is one for the whole process
    encoding = dialect.encoding or detect_encoding(path)
    lines = text_lines(path, encoding, newline="")
    sample = _sample(lines)
    skipped, announced = 0, dialect.delimiter
    separator = _SEPARATOR_LINE.match(sample[0]) if sample else None
    if separator:
        skipped, announced = 1, announced or separator[1]
    body = [line for line in sample[skipped:] if line.strip()]
    delimiter = announced or _find_delimiter(path, body, columns)
    cells = [_split([line], delimiter) for line in body]
    found = []
    named = (number for number, row in enumerate(cells[:_ABOVE]) if len(row) > 1 and columns.are_named(row))
    above = next(named, 0) if dialect.header == "auto" and not columns.are_numbers else 0
    if above:
        skipped += sample[skipped:].index(body[above])
        body, cells = body[above:], cells[above:]
        found.append(f"the header is in line {skipped + 1}, and what is above it is left out")
    feed = _Feed(chain(sample[skipped:], lines), skipped)
    quoting = _find_quoting(dialect.quoting, delimiter, body)
    # Lines are not rows where quotation marks enclose line breaks: there the first row tells the width.
    enclosed = quoting == "standard" or columns.are_named(_split(body, delimiter))
    records = _Records(feed, delimiter, quoting, 0 if enclosed else _usual_width(cells))
    number, first = next(iter(records), (0, []))
    if isinstance(first, str):
        raise DataError(f"Reading {path}, line {number}: {first}. {QUOTING_ADVICE}")
    if not any(cell.strip() for cell in first):
        return Table(number, [], [], iter(()))
    has_header = _has_header(path, dialect.header, first, cells, columns)
    has_row_names = has_header and _usual_width(cells[1:]) == len(first) + 1 and all(map(_ROW_NAME.match, body[1:]))
    if has_header or not records.width:
        records.width = len(first) + has_row_names
    is_guess = dialect.header == "auto" and columns.wanted and columns.are_numbers and not columns.are_named(first)
    if has_header and is_guess:
        found.append(f"line {number} is taken for the header")
    if has_header:
        header = [""] * has_row_names + [name.strip() for name in first]
    elif columns.are_default and records.width == len(columns.wanted):
        header = list(columns.wanted)
    else:
        header = [str(number) for number in range(records.width)]
    if encoding not in ("utf-8", "utf-8-sig", dialect.encoding):
        found.append(f"encoded as {encoding}")
    if delimiter not in (",", "\t", dialect.delimiter):
        name = next((name for name, character in _NAMES.items() if character == delimiter), repr(delimiter))
        found.append(f"divided by {name}s")
    if not has_header and dialect.header == "auto":
        names = ", ".join(f"{name!r} is column {number}" for number, name in enumerate(header) if not name.isdecimal())
        found.append(f"without a header{names and ': '}{names}")
    rows: Iterator[tuple[int, list[str] | str]] = iter(records)
    if not has_header:
        rows = chain([(number, first)], rows)
    return Table(number, header, found, rows, records.unsure)


def _sample(lines: Iterator[str]) -> list[str]:
    most, largest = _SAMPLE
    sample: list[str] = []
    size = 0
    for line in islice(lines, most):
        sample.append(line)
        size += len(line)
        if size > largest:
            break
    return sample


def _split(lines: Iterable[str], delimiter: str) -> list[str]:
    """The cells of the first row; quotation marks that do not close do no harm."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != " "), [])
    except csv.Error:  # a cell above csv.field_size_limit
        return []


def _usual_width(rows: Iterable[Sequence[str]]) -> int:
    widths = Counter(map(len, rows))
    return widths.most_common(1)[0][0] if widths else 0


def _find_delimiter(path: Path, body: Sequence[str], columns: Columns) -> str:
    """The one that makes a header with the columns of the first line, else the one that makes the steadiest table."""
    preferred = "\t" if format_of(path) in (".tsv", ".txt") else ","
    candidates = sorted(_DELIMITERS, key=lambda delimiter: delimiter != preferred)
    if not columns.wanted:  # the header alone: a cell may have line breaks, as NumPy's prints of vectors do
        return max(candidates, key=lambda delimiter: len(_split(body[:1], delimiter)))
    enclosed = _BETWEEN_QUOTES.match(body[0]) if body else None
    if enclosed:
        return enclosed[1]
    best, steadiest = preferred, 0
    is_prose = format_of(path) == ".txt"  # where commas and semicolons divide clauses
    for delimiter in candidates:
        rows = [_split([line], delimiter) for line in body]
        if any(map(columns.are_named, rows[:_ABOVE])):
            return delimiter
        width = _usual_width(rows)
        steady = sum(len(row) == width for row in rows) if width > 1 else 0
        if steady > steadiest and not (is_prose and delimiter in ",;"):
            best, steadiest = delimiter, steady
    return best


def _find_quoting(quoting: str, delimiter: str, body: Sequence[str]) -> str:
    if quoting != "auto" or delimiter != "\t":
        return "standard" if quoting == "auto" else quoting
    cells = [cell for line in body[:1] for cell in line.rstrip("\r\n").split("\t")]
    all_quoted = all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
    return "standard" if all_quoted else "letters"


def _has_header(
    path: Path, header: bool | str, first: Sequence[str], sample: Sequence[Sequence[str]], columns: Columns
) -> bool:
    if header != "auto" or not columns.wanted:
        return bool(header)
    if columns.are_numbers and columns.are_named(first):  # or a first row with these numbers in it
        place = first.index(columns.find(first, by_number=False)[0])
        return not all(_NUMBER.fullmatch(cell) for row in sample[1:] for cell in row[place : place + 1])
    if columns.are_named(first) or not _like_data(first, sample[1:]):
        return True
    steady = sum(len(row) == len(first) for row in sample) >= _STEADY * len(sample)
    if columns.are_numbers or (columns.are_default and steady and len(first) == len(columns.wanted)):
        return False
    look = look_of(" ".join(first))
    hint = f" It looks like {look.name}. {look.remedy}" if look else ""
    raise DataError(
        f"Reading {path}, line 1: there is no column {columns.wanted[0]!r}, and the line seems to hold data, not "
        f"names: {shorten(' | '.join(first))}.{hint} {columns.advice} If the line is a header, set header: true "
        "(data.header)."
    )


def _like_data(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has sentences or numbers, and no names."""
    if any(map(is_known, first)):
        return False
    if any(_NUMBER.fullmatch(cell) or cell.rstrip().endswith((".", "?", "!")) for cell in first):
        return True
    rows = [row for row in body if len(row) == len(first)]
    if any(all(map(_NUMBER.fullmatch, column)) for column in zip(*rows, strict=True)):
        return False
    words = sum(len(cell.split()) for row in rows for cell in row)
    longest = max((len(cell.split()) for cell in first), default=0)
    return longest >= _WORDS and 2 * sum(len(cell.split()) for cell in first) * len(rows) >= words


class _Feed:
    """Lines that can be given back."""

    def __init__(self, lines: Iterable[str], number: int) -> None:
        self._lines = iter(lines)
        self._returned: deque[str] = deque()
        self.number = number

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.number += 1
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)


class _Records:
    """The rows of a feed of lines. A quotation that does not close costs the row that it is in, never another."""

    def __init__(self, feed: _Feed, delimiter: str, quoting: str, width: int) -> None:
        self.width = width  # cells in a row; 0: not known yet
        self.unsure: list[str] = []
        self._feed = feed
        self._delimiter = delimiter
        self._quoting = quoting

    def __iter__(self) -> Iterator[tuple[int, list[str] | str]]:
        delimiter, letters = self._delimiter, self._quoting == "none"
        for line in self._feed:
            number = self._feed.number
            if letters or '"' not in line:
                cells: list[str] | str = line.rstrip("\r\n").split(delimiter)
            else:
                cells = self._quoted(line, number)
            if any(cells):
                yield number, cells

    def _quoted(self, line: str, number: int) -> list[str] | str:
        """The cells of the row that begins with this line, which has quotation marks."""
        taken: list[str] = []
        cells = self._parse(chain([line], self._feed), taken)
        following = taken[1:]
        plain = self._plain(line)
        right = cells is not None and len(cells) == (self.width or len(cells))
        if self._quoting == "letters":
            if right and not (len(plain) == self.width and all(map(self._is_row, following))):
                return cells or []
            self._feed.give_back(following)
            return [_unescape(cell) for cell in plain]
        if right:
            if following and self.width > 1 and all(map(self._is_row, taken)):
                self.unsure.append(f"lines {number}–{number + len(following)}")
            return cells or []
        if cells is not None and not any(map(self._is_row, following)):
            return cells
        self._feed.give_back(following)
        for other in (self._parse([_close(line, self._delimiter)]), self._parse([line], escape="\\")):
            if other is not None and len(other) == self.width:
                return other
        return "a quotation that does not close"

    def _parse(
        self, lines: Iterable[str], taken: list[str] | None = None, escape: str | None = None
    ) -> list[str] | None:
        def feed() -> Iterator[str]:
            for line in lines:
                if taken is not None:
                    taken.append(line)
                yield line

        reader = csv.reader(
            feed(), delimiter=self._delimiter, strict=True, skipinitialspace=self._delimiter != " ", escapechar=escape
        )
        try:
            return next(reader)
        except csv.Error:
            return None

    def _plain(self, line: str) -> list[str]:
        return line.rstrip("\r\n").split(self._delimiter)

    def _is_row(self, line: str) -> bool:
        """Whether a line has as many cells as a row, its quotation marks taken for letters."""
        return len(self._plain(line)) == self.width


def _close(line: str, delimiter: str) -> str:
    """The line without blanks between a closing quotation mark and the delimiter."""
    return delimiter.join(_BLANKS_AFTER_QUOTE.sub("", part) for part in line.rstrip().split(delimiter))


def _unescape(cell: str) -> str:
    """A cell of a tab-separated file; enclosed in quotation marks only if those inside are doubled, as writers do."""
    inner = cell[1:-1]
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return cell
