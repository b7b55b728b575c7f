"""What is written is whole or absent."""

import os
import stat

import pytest

from cubelib.files import reason, written_aside


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with written_aside(path) as aside:
        aside.write_text("complete")
        assert not path.exists()
    assert path.read_text() == "complete" and os.listdir(path.parent) == ["a.txt"]


def test_a_file_that_is_there_is_left_as_it_is(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileExistsError, match="left as it is"), written_aside(path) as aside:
        aside.write_text("new")
    assert path.read_text() == "old"
    with written_aside(path, replace=True) as aside:
        aside.write_text("new")
    assert path.read_text() == "new"


def test_what_came_in_the_meantime_is_not_lost(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(FileExistsError), written_aside(path) as aside:
        aside.write_text("ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path, error):
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(type(error)), written_aside(path, replace=True) as aside:
        aside.mkdir()
        (aside / "new").write_text("half")
        raise error
    assert os.listdir(tmp_path) == ["run"] and os.listdir(path) == ["old"]


def test_a_folder_replaces_another(tmp_path):
    path = tmp_path / "run"
    for name in ("old", "new"):
        with written_aside(path, replace=True) as aside:
            aside.mkdir()
            (aside / name).write_text(name)
    assert os.listdir(tmp_path) == ["run"] and os.listdir(path) == ["new"]


def test_a_folder_that_cannot_be_replaced_is_put_back(tmp_path, monkeypatch):
    path, real = tmp_path / "run", os.replace
    path.mkdir()
    (path / "old").write_text("old")

    def fails_once(source, target):
        if str(target) == str(path) and not str(source).endswith("retired"):
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(OSError, match="Input/output"), written_aside(path, replace=True) as aside:
        aside.mkdir()
    assert os.listdir(tmp_path) == ["run"] and os.listdir(path) == ["old"]


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order, replace, fsync = [], os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("rename"), replace(*paths)))
    with written_aside(tmp_path / "run") as aside:
        aside.mkdir()
        for name in "ab":
            (aside / name).write_text(name)
    assert order == ["fsync", "fsync", "fsync", "rename", "fsync"]  # two files, their folder; then the parent folder


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_others_may_read_as_the_umask_says(tmp_path):
    path = tmp_path / "a.txt"
    with written_aside(path) as aside:
        aside.touch(0o600)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_a_reason_is_the_systems_word():
    assert reason(PermissionError(13, "Permission denied", "/x")) == "Permission denied"
    assert reason(ValueError("a header of 0 bytes")) == "a header of 0 bytes"
