"""Opens a user's file and says what is wrong with it before anything is read: no file, no text, another encoding."""

from __future__ import annotations

import codecs
import difflib
import re
import shlex
import stat
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from cubelib.errors import DataError

LONGEST_LINE = 10_000_000  # characters; more is refused before it is held in memory

_HEAD = 65_536  # bytes looked at to tell what a file is
_BYTE_ORDER_MARKS = {  # UTF-32's little-endian mark begins with UTF-16's: it comes first
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_OTHER_KINDS = {
    b"PK\x03\x04": "an Excel workbook or another zip archive. Save the table as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook. Save the table as CSV (UTF-8)",
    b"PAR1": "a Parquet file. Give it the ending .parquet",
    b"\x1f\x8b": "a gzip archive. Unpack it with gunzip",
    b"%PDF": "a PDF. Save its text as .txt",
}
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_BROKEN = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as surrogateescape shows it


def nearest(name: object, known: Iterable[str]) -> str:
    """A question that names the known word most like `name`, or nothing."""
    found = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names in a row, with an end."""
    return (", ".join(names[:most]) or "none") + (f", and {len(names) - most} more" if len(names) > most else "")


def check_file(path: Path, endings: Sequence[str], what: str) -> int:
    """Size in bytes of a file with one of these endings that can be opened and is not empty.

    Raises:
        DataError: there is no such file; the message says what is there.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise DataError(f"Reading {path}: this is a folder. Give the path of one file.")
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"Reading {path}: this is no regular file. Save the data in a file first.")
        _check_ending(path, endings, what)
        with path.open("rb"):
            pass
    except FileNotFoundError:
        folder = path.parent
        hint = nearest(path.name, [file.name for file in folder.iterdir()]) if folder.is_dir() else ""
        raise DataError(
            f"Reading {path}: there is no such file in {folder.resolve()}.{hint} Give the path of a readable file."
        ) from None
    except OSError as error:
        raise DataError(f"Reading {path}: {error.strerror}. Give the path of a readable file.") from None
    if not found.st_size:
        raise DataError(f"Reading {path}: the file is empty (0 bytes). Write it again.")
    return found.st_size


def _check_ending(path: Path, endings: Sequence[str], what: str) -> None:
    ending = path.suffix.lower()
    if ending in _SPREADSHEETS:
        raise DataError(
            f"Reading {path}: spreadsheets are not read. Save the table as CSV (UTF-8), and give that file."
        )
    if ending not in endings:
        raise DataError(
            f"Reading {path}: {what} come from {', '.join(endings[:-1])} or {endings[-1]} files. Convert the file, or "
            "rename it."
        )


def check_text(path: Path) -> None:
    """Refuses what is not UTF-8 text at first sight.

    Raises:
        DataError: UTF-16, UTF-32, or the beginning of a file of another kind.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for mark, kind in _OTHER_KINDS.items():
        if head.startswith(mark):
            raise DataError(f"Reading {path}: whatever its name says, this is {kind}.")
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            raise DataError(f"Reading {path}: the text is encoded as {encoding}, not UTF-8. {_iconv(path, encoding)}")
    # In UTF-16 the upper byte of spaces and English letters is NUL: many, and all on even or all on odd places.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) > max(3, len(head) / 50) and min(even, odd) < max(even, odd) / 8:
        encoding = "UTF-16BE" if even > odd else "UTF-16LE"
        raise DataError(
            f"Reading {path}: {even + odd:,} of the first {len(head):,} bytes are NUL, so the text seems to be encoded "
            f"as {encoding}, not UTF-8. {_iconv(path, encoding)}"
        )


def _iconv(path: Path, encoding: str) -> str:
    old, new = (shlex.quote(name) for name in (path.name, f"{path.stem}-utf8{path.suffix}"))
    return f"Save it as UTF-8, for example with: iconv -f {encoding} -t UTF-8 {old} > {new}"


def lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """The lines of a UTF-8 text file, one at a time, with their ends, as `open` divides them with this `newline`.

    Raises:
        DataError: not UTF-8, a NUL byte, or a line of more than LONGEST_LINE characters.
    """
    check_text(path)
    with path.open(encoding="utf-8-sig", newline=newline) as file:
        for number in count(1):
            try:
                line = file.readline(LONGEST_LINE + 1)
            except UnicodeDecodeError:
                raise not_utf8(path, newline) from None
            if len(line) > LONGEST_LINE:
                raise DataError(
                    f"Reading {path}, line {number}: the line has more than {LONGEST_LINE:,} characters. Put each text "
                    "or row on a line of its own."
                )
            if "\0" in line:
                raise DataError(
                    f"Reading {path}, line {number}: a NUL byte at character {line.index(chr(0)) + 1}. The file is "
                    "damaged, or not text; write it again."
                )
            if not line:
                return
            yield line


def not_utf8(path: Path, newline: str | None = None) -> DataError:
    """Which line it is: the file is read again, since a decoder that reads ahead cannot say."""
    with path.open(encoding="utf-8-sig", newline=newline, errors="surrogateescape") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), ""), start=1):
            if broken := _BROKEN.search(line):
                # Three letters above 0xC0 in a row: usual in Cyrillic, unheard of in western languages.
                encoding = "WINDOWS-1251" if re.search("[\udcc0-\udcff]{3}", line) else "WINDOWS-1252"
                return DataError(
                    f"Reading {path}, line {number}: the byte 0x{ord(broken[0]) - 0xDC00:X} is not UTF-8 text; perhaps "
                    f"the file is {encoding}. {_iconv(path, encoding)}"
                )
    return DataError(f"Reading {path}: the file changed while it was read. Leave it alone, and start again.")
