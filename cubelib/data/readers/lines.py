"""From the bytes of a file to lines of text and JSON values: decompressed, and decoded as the file says or suggests."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from cubelib.errors import DataError
from cubelib.files import reason

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_BLOCK = 1 << 20
_SAMPLE = 1 << 16  # bytes of lines that are not ASCII, from which an encoding is guessed
_FEWEST_MARKS = 0.002  # share of the letters of a text
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LEGACY = (
    "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "shift_jis", "euc_jp", "gb18030",
    "big5", "euc_kr", "mac_roman", "cp850", "cp866", "cp874",
)  # fmt: skip
# Letters of Czech and Polish in cp1250 that are symbols, or very rare, in the languages written in cp1252.
_CENTRAL_EUROPEAN = re.compile(rb"[\x8a\x8e\x9a\x9d-\x9f]|(?<=[a-z\xc0-\xff])[\xb3\xb9](?=[a-z\xc0-\xff])")

_OBJECTS = re.compile(rb'[\xef\xbb\xbf\xff\xfe]*\s*(\[\s*)?\{\s*"[^"]*"\s*:')  # how JSON begins, after a mark

BadLine = Callable[[str, str, str], None]


def format_of(path: Path) -> str:
    """The ending that names a file's format, in lower case, without that of a compression.

    Example:
        >>> format_of(Path("Pairs.TSV.gz")), format_of(Path("notes.txt"))
        ('.tsv', '.txt')
    """
    if path.suffix.lower() in COMPRESSED:
        path = path.with_suffix("")
    return path.suffix.lower()


def content_format(path: Path) -> str:
    """As `format_of`, but files that begin with JSON objects or as Parquet does are that, whatever their name.

    Raises:
        DataError: the file cannot be read.
        ModuleNotFoundError: a .zst file, and pyarrow is not installed.
    """
    try:
        with _open(path) as file:
            head = file.read(256)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None
    if head.startswith(b"PAR1"):
        return ".parquet"
    return ".json" if _OBJECTS.match(head.replace(b"\0", b"")) else format_of(path)


def text_lines(path: Path, encoding: str | None = None, newline: str | None = None) -> Iterator[str]:
    r"""The lines of a text file with their ends, decompressed and decoded.

    Args:
        path: of a text file, as it is or packed by gzip, bzip2, xz or Zstandard; its first bytes tell.
        encoding: as Python names it; None: as `detect_encoding` finds.
        newline: None: every line ends in "\n"; "": lines keep the ends they have.

    Raises:
        DataError: the file cannot be read, is damaged or is no text; the message names the line.
        ModuleNotFoundError: a .zst file, and pyarrow is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "notes.txt.gz"
        ...     _ = file.write_bytes(gzip.compress("Größe\rÜbersicht".encode("cp1252")))
        ...     list(text_lines(file))
        ['Größe\n', 'Übersicht']
    """
    encoding = encoding or detect_encoding(path)
    number = 0
    try:
        with _open(path) as file, io.TextIOWrapper(file, encoding, newline=newline) as lines:
            for line in lines:
                number += 1
                yield line.removeprefix("\ufeff")  # also where files were joined
    except LookupError:
        raise DataError(
            f"Reading {path}: there is no encoding {encoding!r}. Set encoding (data.encoding) to one that Python "
            "knows, such as cp1252 or utf-16, or leave it out."
        ) from None
    except UnicodeError as error:
        raise DataError(
            f"Reading {path}, after line {number}: not text in {encoding} ({getattr(error, 'reason', error)}). Set "
            "encoding (data.encoding) to the one it was written in, such as cp1252, or write it again as UTF-8."
        ) from None
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def detect_encoding(path: Path) -> str:
    """The encoding of a text file: as its mark says, else UTF-8 if all of it is valid, else the most likely.

    The guess is charset-normalizer's, but for cp1250, which it often takes for cp1252 and the reverse.

    Raises:
        DataError: the file cannot be read, is no text, or is UTF-8 with damaged letters; the message names the line.
        ModuleNotFoundError: a .zst file, and pyarrow is not installed.
    """
    try:
        with _open(path) as file:
            head = file.read(_SAMPLE)
            for mark, encoding in _MARKS.items():
                if head.startswith(mark):
                    return encoding
            if b"\x1b$" in head:
                return "iso2022_jp"
            if b"\0" in head:
                return _without_mark(path, head)
            decoder = codecs.getincrementaldecoder("utf-8")()
            for block in chain([head], iter(partial(file.read, _BLOCK), b"")):
                if b"\0" in block:
                    raise _no_text(path)
                decoder.decode(block)
            decoder.decode(b"", final=True)
        return "utf-8"
    except UnicodeDecodeError:
        return _guess(path)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def _without_mark(path: Path, head: bytes) -> str:
    """UTF-16 without a mark: in any language, line ends and many other marks are ASCII."""
    share = {}
    for encoding in ("utf-16-le", "utf-16-be"):
        text = head.decode(encoding, "ignore")
        marks = sum(letter.isascii() and not letter.isalnum() for letter in text)
        is_valid = "\0" not in text and len(text.encode(encoding)) > len(head) - 4
        share[encoding] = marks / len(text) if is_valid and text else 0
    likeliest = max(share, key=lambda encoding: share[encoding])
    if share[likeliest] > _FEWEST_MARKS:
        return likeliest
    raise _no_text(path)


def _no_text(path: Path) -> DataError:
    with _open(path) as file:
        number = next(number for number, line in enumerate(file, start=1) if b"\0" in line)
    return DataError(
        f"Reading {path}, line {number}: a NUL byte. The file is damaged, or no text, such as a spreadsheet "
        "or an archive. Save it again as UTF-8 text, or set encoding (data.encoding) if it is UTF-16 or UTF-32."
    )


def _guess(path: Path) -> str:
    """The encoding of a file that is not UTF-8, from its first lines that are not ASCII."""
    sample, first = b"", 0
    with _open(path) as file:
        for number, line in enumerate(iter(partial(file.readline, _SAMPLE), b""), start=1):
            if not line.isascii():
                sample += line
                if not first and _surrogates(line):
                    first = number
                if first and len(sample) >= _SAMPLE:
                    break
    broken = _surrogates(sample)
    valid = sum(letter > "\x7f" for letter in sample.decode("utf-8", "ignore"))
    if valid >= broken:
        raise DataError(
            f"Reading {path}, line {first}: a letter that is not valid UTF-8, in a file that is UTF-8 elsewhere. Write "
            "that line again."
        )
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(_LEGACY)).best()
    if best is None or best.encoding in ("cp1250", "cp1252"):
        return "cp1250" if _CENTRAL_EUROPEAN.search(sample) else "cp1252"
    return best.encoding


def _surrogates(line: bytes) -> int:
    """How many bytes are not valid UTF-8."""
    return sum("\udc80" <= letter <= "\udcff" for letter in line.decode("utf-8", "surrogateescape"))


def _open(path: Path) -> IO[bytes]:
    """The bytes of a file, decompressed."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    if head.startswith(b"BZh"):
        return bz2.open(path)
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.open(path)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            import pyarrow
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"Reading {path}: .zst files need the package pyarrow. Install it with: python -m pip install pyarrow"
            ) from error
        return cast(IO[bytes], io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd")))
    return path.open("rb")


_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"Reading {path}: {reason(error)}. Give the path of a readable, complete file.")


def json_documents(
    path: Path, encoding: str | None = None, bad_line: BadLine | None = None
) -> Iterator[tuple[str, Any]]:
    """The JSON values of a file, one after the other, whatever its ending: one value, several, or one on each line.

    JSON Lines are read line by line; anything else is held in memory.

    Args:
        path: of the file, which may be packed (see `text_lines`).
        encoding: None: as `detect_encoding` finds.
        bad_line: is told the place, the fault and the remedy of a line that is not JSON, and the line is left out;
            None: such a line is an error.

    Yields:
        Where a value begins, such as "line 4", and the value.

    Raises:
        DataError: the file cannot be read, or is not JSON; the message names the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "several.json"
        ...     _ = file.write_text('{\\n "a": 1\\n}\\n{"a": 2} [3]')
        ...     list(json_documents(file))
        [('line 1', {'a': 1}), ('line 4', {'a': 2}), ('line 4', [3])]
    """
    bad_line = bad_line or partial(_refuse, path)
    lines = enumerate(text_lines(path, encoding), start=1)
    number, first = next(((number, line) for number, line in lines if not line.isspace()), (1, ""))
    try:
        values = _decode(first, number)
    except (ValueError, RecursionError):
        text = first + "".join(line for _, line in lines)
        try:
            values = _decode("\n" * (number - 1) + text, 1)
        except (ValueError, RecursionError) as error:
            if format_of(path) not in (".jsonl", ".ndjson"):
                raise DataError(
                    f"Reading {path}: not valid JSON ({error}). Mend the file there, or write it again."
                ) from None
            values, lines = [], enumerate(io.StringIO(text), start=number)
    yield from values
    for number, line in lines:
        try:
            value, end = _DECODER.raw_decode(line)
        except (ValueError, RecursionError):
            end = 0
        if end and line[end:] in ("\n", ""):  # the usual case, which goes fast
            yield f"line {number}", value
            continue
        try:
            yield from _decode(line, number)
        except (ValueError, RecursionError) as error:
            fault = f"not valid JSON ({getattr(error, 'msg', error)})"
            bad_line(f"line {number}", fault, "Write one JSON object on each line.")


def _decode(text: str, line: int) -> list[tuple[str, Any]]:
    """The values of a text that begins on this line, one after the other."""
    values = []
    position = _skip_blanks(text, 0)
    counted = 0
    while position < len(text):
        line += text.count("\n", counted, position)
        counted = position
        value, end = _DECODER.raw_decode(text, position)
        values.append((f"line {line}", value))
        position = _skip_blanks(text, end)
    return values


def _skip_blanks(text: str, start: int) -> int:
    """Where the next letter is that JSON does not pass over."""
    while start < len(text) and text[start] in " \t\r\n":
        start += 1
    return start


def _refuse(path: Path, place: str, fault: str, remedy: str) -> None:
    raise DataError(f"Reading {path}, {place}: {fault}. {remedy}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; json itself would silently keep the last of two values with one key."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {max(names, key=names.count)!r} occurs twice in an object")
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, strict=False)
