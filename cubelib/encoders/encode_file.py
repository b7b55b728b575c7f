"""A file of texts → a file of vectors: the job behind `python -m cubelib encode`.

Each finished batch is in the cache, so a job that was stopped in any way continues from there. The file of vectors is
assembled from the cache at the end, block by block: it may be larger than memory.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from cubelib.data.progress import tqdm
from cubelib.data.readers import Dialect, read_columns
from cubelib.encoders.cache import EmbeddingCache
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.encoders.sentence_model import sentence_device
from cubelib.encoders.teacher import NAME
from cubelib.errors import ConfigError, DataError, UserError
from cubelib.files import reason, written_aside

_BLOCK = 4096  # texts whose vectors are in memory at a time while the file is written


@dataclass(frozen=True)
class EncodeSummary:
    """What an encoding job did.

    Attributes:
        out: the file written.
        shapes: name of a column → `(n, dim)`; float32. For a file without columns the name is "text".
        different: how many different texts there are.
        encoded: how many of them the model encoded; the rest came from a cache.
        truncated: how many of the different texts are longer than the model reads.
        teacher: the model.
        seconds: how long it took.
    """

    out: Path
    shapes: Mapping[str, tuple[int, int]]
    different: int
    encoded: int
    truncated: int
    teacher: str
    seconds: float

    @property
    def texts(self) -> int:
        """How many texts the file has."""
        return sum(rows for rows, _ in self.shapes.values())

    def __str__(self) -> str:
        cut = ""
        if self.truncated:
            cut = f" {self.truncated:,} are longer than the model reads and count only up to there."
        shapes = [f"{name} {shape}" if len(self.shapes) > 1 else str(shape) for name, shape in self.shapes.items()]
        return (
            f"Encoded {self.texts:,} texts ({self.different:,} different) with {self.teacher}: "
            f"{self.different - self.encoded:,} from the cache, {self.encoded:,} new, in {self.seconds:.0f} s.{cut} "
            f"Wrote {self.out}: {', '.join(shapes)} float32."
        )


def encode_file(
    file: Path | str,
    out: Path | str | None = None,
    *,
    columns: Sequence[str] = (),
    teacher: str | Path = NAME,
    cache_dir: Path | str | None = None,
    devices: Sequence[str] = ("cpu",),
    processes: int | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
    bad_rows: Literal["error", "skip"] = "error",
    dialect: Dialect | None = None,
    missing: Collection[str] = (),
) -> EncodeSummary:
    """Encodes the texts of a file, and writes their vectors in the same order to another.

    A text that occurs many times is encoded once. After Ctrl-C, a kill or an error, the same call continues: one
    process loses at most the batch it was at, several lose 16 batches each. The batches are the same for any number.

    Args:
        file: .txt with a text on each line, or a table (.csv, .tsv, .json, .jsonl, .ndjson, .parquet), perhaps packed.
        out: .npy for one column: an array `(n, dim)` float32; .safetensors for any number: a tensor for each column.
            By default it is beside `file` and has its name.
        columns: which columns of a table, by name or by number, counted from 0; "text" if left out.
        teacher: the model, see `cubelib.encoders.encoder.TeacherEncoder`.
        cache_dir: the cache, see `cubelib.encoders.cache.cache_folder`.
        devices: where the model runs: "cpu", "cuda:0", …; the processes take them in turn.
        processes: how many, each with a copy of the model; one for each device if left out. In a script, put the call
            under `if __name__ == "__main__":`.
        batch_size: how many texts go through the model at a time.
        overwrite: whether `out` may exist and be replaced.
        bad_rows: "skip" leaves a row that cannot be used out of all columns, so that their vectors stay in pairs.
        dialect, missing: see `cubelib.data.readers.read_texts`.

    Raises:
        ConfigError: an argument cannot be used.
        DataError: the file, a column or a text cannot be used, or `out` exists.
        UserError: a process died, memory ran out, or the disk is full; everything encoded is kept.
        ModuleNotFoundError: the model is needed and not installed; the message has the command.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "sentences.txt"
        ...     _ = file.write_text("How are you?\\nWhat is AI?\\nHow are you?\\n", encoding="utf-8")
        ...     summary = encode_file(file, cache_dir=folder)
        ...     print(summary.texts, summary.different, summary.encoded, np.load(summary.out).shape)
        3 2 0 (3, 768)
    """
    started = time.perf_counter()
    file = Path(file)
    dialect = dialect or Dialect()
    out = _checked_out(file, out, columns, overwrite, dialect)
    devices = _device_of_each_process(devices, processes)
    # Several processes get the model from this one, which has it on the CPU.
    device = devices[0] if len(devices) == 1 else "cpu"
    encoder = TeacherEncoder(teacher, cache_dir=cache_dir, device=device, batch_size=batch_size)
    if not file.is_file():
        raise DataError(f"Encoding {file}: there is no such file.")
    texts = read_columns(
        file,
        columns or ["text"],
        bad_rows=bad_rows,
        dialect=dialect,
        missing=missing,
        skip='--bad-rows skip (in Python bad_rows="skip")',
        advice="Name them with --columns (in Python columns=[…]), or give their numbers, counted from 0.",
    )
    different = dict.fromkeys(text for column in texts.values() for text in column)  # in order: so batches are the same
    encoded = _encode_missing(file, encoder, different, devices)
    truncated = encoder.truncated
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all of it was said of the texts as a whole
        shapes = _write(out, texts, encoder, overwrite)
    return EncodeSummary(out, shapes, len(different), encoded, truncated, encoder.name, time.perf_counter() - started)


def _checked_out(file: Path, out: Path | str | None, columns: Sequence[str], overwrite: bool, dialect: Dialect) -> Path:
    if len(set(columns)) < len(columns):
        raise ConfigError(f"Encoding {file}: columns are {', '.join(columns)!r}. Name each column once.")
    has_columns = dialect.delimiter is not None or all(column.isdecimal() for column in columns)
    if columns and file.suffix.lower() == ".txt" and not has_columns:
        raise ConfigError(
            f"Encoding {file}: a .txt file has no columns with names, only a text on each line. Leave columns out; if "
            "it is a table, set the delimiter, or give columns by number, counted from 0."
        )
    types = [".safetensors"] if len(columns) > 1 else [".npy", ".safetensors"]
    out = file.with_suffix(types[0]) if out is None else Path(out)
    if out.suffix.lower() not in types:
        raise ConfigError(f"Encoding {file}: cannot write {out}. Use a name that ends in {' or '.join(types)}.")
    if out.is_dir() or (out.exists() and not overwrite):
        raise DataError(f"Encoding: {out} exists and was left as it is. Choose another name, or allow it: --overwrite.")
    return out


def _device_of_each_process(devices: Sequence[str], processes: int | None) -> list[str]:
    count = len(devices) if processes is None else processes
    if not devices or count < len(devices):
        raise ConfigError(f"Encoding: {count} processes for {len(devices)} devices. Give one or more for each device.")
    checked = [sentence_device(device) for device in devices]
    return [checked[number % len(checked)] for number in range(count)]


def _encode_missing(file: Path, encoder: TeacherEncoder, texts: Iterable[str], devices: Sequence[str]) -> int:
    """Encodes the texts that are in no cache; returns how many. If something stops it, the error says what is kept."""
    done = 0
    with EmbeddingCache(encoder.cache_dir) as cache:
        missing = encoder.missing(texts, cache)
        workers = encoder.worker_pool(devices) if missing and len(devices) > 1 else nullcontext()
        try:
            with workers:
                encoder.warn_of_texts({encoder.key(text): text for text in texts}, missing, cache, progress=True)
                for new in encoder.encode_missing(missing, cache, progress=True):
                    done += len(new)
        except (KeyboardInterrupt, UserError, MemoryError, RuntimeError) as error:
            kept = f"{done:,} of {len(missing):,} new texts are encoded and kept: the same command continues there."
            if isinstance(error, KeyboardInterrupt):
                raise type(error)(kept) from None
            hint = "" if isinstance(error, UserError) else "Use a smaller batch size, or fewer processes. "
            raise UserError(f"Encoding {file}: {error} {hint}{kept}") from error
    return done


def _write(
    out: Path, texts: Mapping[str, list[str]], encoder: TeacherEncoder, overwrite: bool
) -> dict[str, tuple[int, int]]:
    """Writes the vectors from start to end: with a memory map, a full disk would end the process without a word."""
    dim = encoder.encode(next(iter(texts.values()))[:1], progress=False).shape[1]
    shapes = {column: (len(some), dim) for column, some in texts.items()}
    total = sum(map(len, texts.values()))
    try:
        with written_aside(out, replace=overwrite) as aside, aside.open("wb") as target:
            _write_header(target, out.suffix.lower(), shapes, encoder.name)
            with tqdm(total=total, desc=f"Writing {out.name}", unit="text", delay=2) as bar:
                for some in texts.values():
                    for start in range(0, len(some), _BLOCK):
                        block = encoder.encode(some[start : start + _BLOCK], progress=False)  # (block, dim)
                        target.write(block.numpy().astype("<f4").tobytes())
                        bar.update(len(block))
    except OSError as error:
        size = 4 * total * dim / 1e6
        raise UserError(
            f"Encoding: cannot write {out}, {size:,.1f} MB ({reason(error)}). All vectors are kept in the cache: make "
            "room, or choose another place, and give the same command again."
        ) from error
    return shapes


def _write_header(target: BinaryIO, suffix: str, shapes: Mapping[str, tuple[int, int]], name: str) -> None:
    """The part before the numbers, which follow column by column, row by row, as little-endian float32.

    Source: https://github.com/huggingface/safetensors#format. The library itself needs everything in memory.
    """
    if suffix == ".npy":
        (shape,) = shapes.values()
        description = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(target, description)  # type: ignore[no-untyped-call]
        return
    header: dict[str, object] = {"__metadata__": {"teacher": name}}
    start = 0
    for column, (rows, dim) in shapes.items():
        end = start + 4 * rows * dim
        header[column] = {"dtype": "F32", "shape": [rows, dim], "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target.write(len(text).to_bytes(8, "little") + text)
