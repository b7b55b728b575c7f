"""A file of texts → a file of vectors: the job behind `python -m cubelib encode`.

Each finished batch is in the cache, so a job that was stopped in any way continues where it was. The file of vectors is
put together from the cache at the end, block by block: it may be larger than memory.

Taught in notebook 01.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm.auto import tqdm

from cubelib.data.readers import read_texts
from cubelib.encoders import teacher as default_teacher
from cubelib.encoders.bundled import warm_vectors
from cubelib.encoders.cache import EmbeddingCache, embedding_key
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.encoders.worker_pool import Progress, encode_batch, encode_in_processes
from cubelib.errors import ConfigError, DataError, UserError

_BLOCK = 4096  # texts whose vectors are in memory at a time
_ABANDONED_AFTER = 3600  # seconds; a half-written file this old belongs to a process that was killed


@dataclass(frozen=True)
class EncodeSummary:
    """What an encoding job did.

    Attributes:
        out: the file written.
        shapes: name of a column → `(n, dim)`; float32. Of a file without columns the name is "text".
        different: how many of the texts differ.
        encoded: how many the model encoded; the other different ones came from a cache.
        truncated: how many of those encoded were longer than the model reads.
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
        return sum(rows for rows, _ in self.shapes.values())

    def __str__(self) -> str:
        cut = f" {self.truncated:,} were longer than the model reads and count only up to there." * bool(self.truncated)
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
    columns: Sequence[str] | None = None,
    teacher: str | Path = default_teacher.NAME,
    cache_dir: Path | str | None = None,
    devices: Sequence[str] = ("cpu",),
    processes: int | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
    progress: bool = True,
) -> EncodeSummary:
    """Encode the texts of a file, and write their vectors in the same order to another.

    A text that occurs many times is encoded once. Stopped by Ctrl-C, a kill or an error, the same call continues where
    it was. The batches are the same for any number of processes: on one CPU all-mpnet-base-v2 gave the same bits with
    one and two, of one and two threads. In other batches, as after a stop, its numbers differed by 2e-7 at most.

    Args:
        file: .txt with a text on each line, or a table (.csv, .tsv, .json, .jsonl, .ndjson, .parquet).
        out: .npy for one column: an array `(n, dim)` float32; .safetensors for any number: a tensor for each column.
            By default it stands beside `file` and is called like it.
        columns: which columns of a table; "text" if left out.
        teacher: the model, see `cubelib.encoders.encoder.TeacherEncoder`.
        cache_dir: the cache, see `cubelib.encoders.cache.cache_folder`.
        devices: where the model runs: "cpu", "cuda:0", …; the processes take them in turn.
        processes: how many, each with a copy of the model; one for each device if left out.
        batch_size: how many texts go through the model, and then into the cache, at a time.
        overwrite: whether `out` may exist and be replaced.
        progress: whether to show bars.

    Raises:
        ConfigError: an argument cannot be used.
        DataError: the file, a column or a text cannot be used, or `out` exists.
        UserError: a process died, memory ran out, or the disk is full; what was encoded is kept.
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
    if not file.is_file():
        raise DataError(f"Encoding {file}: there is no such file.")
    if not isinstance(teacher, (str, Path)):
        raise ConfigError("Encoding: the teacher must be a name or a folder, which other processes can load by it.")
    out = _checked_out(file, out, columns, overwrite)
    devices = list(devices)
    processes = len(devices) if processes is None else processes
    if not devices or processes < len(devices):
        raise ConfigError(
            f"Encoding {file}: {processes} processes for {len(devices)} devices. Give one or more for each device."
        )
    settings = {"model": teacher, "cache_dir": cache_dir, "batch_size": batch_size}
    encoder, *_ = [TeacherEncoder(**settings, device=device) for device in dict.fromkeys(devices)]
    texts = _read(file, columns)
    with EmbeddingCache(encoder.cache_dir) as cache:  # open to the end, so that nothing of it is removed before
        different, missing = _different_and_missing(file, texts, encoder, cache)
        # Texts of like length share a batch, so little is padded. The longest go first: memory runs out early or never.
        missing.sort(key=len, reverse=True)
        if missing:
            encoder.tell_scripts(missing)
        batches = [missing[start : start + batch_size] for start in range(0, len(missing), batch_size)]
        processes = min(processes, len(batches))
        if processes > 1:
            steps = encode_in_processes(batches, settings, devices, processes)
        else:
            steps = (encode_batch(encoder, batch) for batch in batches)
        done = _run(file, steps, different, len(missing), progress)
        shapes = _write(out, texts, encoder, overwrite, progress)
    return EncodeSummary(
        out=out,
        shapes=shapes,
        different=different,
        encoded=sum(step.encoded for step in done),
        truncated=sum(step.truncated for step in done),
        teacher=encoder.name,
        seconds=time.perf_counter() - started,
    )


def _checked_out(file: Path, out: Path | str | None, columns: Sequence[str] | None, overwrite: bool) -> Path:
    if columns is not None and (not columns or len(set(columns)) < len(columns) or not all(columns)):
        raise ConfigError(f"Encoding {file}: columns are {', '.join(columns)!r}. Name each column once.")
    if columns is not None and file.suffix.lower() == ".txt":
        raise ConfigError(
            f"Encoding {file}: a .txt file has no columns, it has a text on each line. Leave columns out."
        )
    several = columns is not None and len(columns) > 1
    out = file.with_suffix(".safetensors" if several else ".npy") if out is None else Path(out)
    if out.suffix.lower() not in ((".safetensors",) if several else (".npy", ".safetensors")):
        raise ConfigError(
            f"Encoding {file}: cannot write {out}. One column goes into a .npy or .safetensors file, several into a "
            ".safetensors file."
        )
    if not out.parent.is_dir():
        raise ConfigError(
            f"Encoding {file}: there is no folder {out.parent} for {out.name}. Make it, or choose another."
        )
    _refuse_existing(out, overwrite)
    return out


def _refuse_existing(out: Path, overwrite: bool) -> None:
    if out.is_dir() or (out.exists() and not overwrite):
        raise DataError(f"Encoding: {out} exists and was left as it is. Choose another name, or allow it: --overwrite.")


def _read(file: Path, columns: Sequence[str] | None) -> dict[str, list[str]]:
    if columns is None:
        return {"text": read_texts(file)}
    texts = {column: read_texts(file, column) for column in columns}
    if len({len(some) for some in texts.values()}) > 1:
        counts = ", ".join(f"{column} {len(some):,}" for column, some in texts.items())
        raise DataError(f"Encoding {file}: the columns have different numbers of texts ({counts}). Fill the gaps.")
    return texts


def _different_and_missing(
    file: Path, texts: Mapping[str, list[str]], encoder: TeacherEncoder, cache: EmbeddingCache
) -> tuple[int, list[str]]:
    """How many texts differ, and those of them that no cache has."""
    keys: dict[bytes, str] = {}
    for column, some in texts.items():
        for number, text in enumerate(some, start=1):
            try:
                if not text.strip():
                    raise DataError(
                        f"Encoding {file}: text {number:,} of {column!r} is empty. Mend it or leave it out."
                    )
                keys[embedding_key(encoder.sha256, encoder.tag, text)] = text
            except UnicodeEncodeError:
                raise DataError(
                    f"Encoding {file}: text {number:,} of {column!r} holds half of a surrogate pair, which is no "
                    f"Unicode text: {text!r:.60}. Mend it or leave it out."
                ) from None
    warm = warm_vectors()
    unknown = [key for key in keys if key not in warm]
    known = cache.known(unknown)
    return len(keys), [keys[key] for key in unknown if key not in known]


def _run(file: Path, steps: Iterator[Progress], different: int, missing: int, progress: bool) -> list[Progress]:
    """Go through the steps under a bar; whatever stops them, say what is kept."""
    done: list[Progress] = []

    def kept() -> str:
        count = sum(step.texts for step in done)
        return f"{count:,} of {missing:,} new texts are encoded and kept: the same command continues there."

    bar = tqdm(
        total=different, initial=different - missing, desc="Encoding", unit="text", delay=0.5, disable=not progress
    )
    try:
        with closing(steps), bar:
            for step in steps:
                done.append(step)
                bar.update(step.texts)
    except (UserError, ModuleNotFoundError) as error:
        raise type(error)(f"Encoding {file}: {error} {kept()}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept()) from None
    return done


def _write(
    out: Path, texts: Mapping[str, list[str]], encoder: TeacherEncoder, overwrite: bool, progress: bool
) -> dict[str, tuple[int, int]]:
    """Write the vectors aside, and rename the file when it is complete."""
    first = next(iter(texts.values()))[:1]
    dim = encoder.encode(first, progress=False).shape[1]
    shapes = {column: (len(some), dim) for column, some in texts.items()}
    total = sum(map(len, texts.values()))
    for old in out.parent.iterdir():
        ours = re.fullmatch(re.escape(out.name) + r"\.\d+\.part", old.name)
        if ours and time.time() - old.stat().st_mtime > _ABANDONED_AFTER:
            old.unlink(missing_ok=True)
    aside = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        # Written from begin to end, not through a memory map: there a full disk would end the process without a word.
        with aside.open("wb") as target:
            _write_header(target, out.suffix.lower(), shapes, encoder.name)
            with tqdm(total=total, desc=f"Writing {out.name}", unit="text", delay=2, disable=not progress) as bar:
                for some in texts.values():
                    for start in range(0, len(some), _BLOCK):
                        block = encoder.encode(some[start : start + _BLOCK], progress=False)  # (block, dim)
                        target.write(block.numpy().astype("<f4").tobytes())
                        bar.update(len(block))
            target.flush()
            os.fsync(target.fileno())
        _refuse_existing(out, overwrite)  # it may have come in the meantime
        os.replace(aside, out)
    except OSError as error:
        raise UserError(
            f"Encoding: cannot write {out} ({error.strerror or error}). It takes {4 * total * dim / 1e6:,.1f} MB. All "
            "vectors are kept in the cache: make room, or choose another place, and give the same command again."
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return shapes


def _write_header(target: BinaryIO, kind: str, shapes: Mapping[str, tuple[int, int]], name: str) -> None:
    """What stands before the numbers, which follow column by column, row by row, as little-endian float32.

    Source of the second: https://github.com/huggingface/safetensors#format. The library itself wants all in memory.
    """
    if kind == ".npy":
        (shape,) = shapes.values()
        np.lib.format.write_array_header_1_0(target, {"descr": "<f4", "fortran_order": False, "shape": shape})
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
