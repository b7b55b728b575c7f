"""`make install` installs once; after that nothing that make does opens a connection."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ["Makefile", "requirements.txt", "requirements-teacher.txt", "requirements-encoders.txt", "pyproject.toml"]
MODULE = """
import os, sys
open(os.environ["LOG"], "a").write("{name} ")
sys.exit("{name}" == os.environ["FAILS"])
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")


@pytest.fixture
def project(tmp_path):
    """The Makefile with an environment of its own, in which all programs only note that they ran."""
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    for name in ("pip", "cubelib", "pytest", "jupyter"):
        (packages / name).mkdir()
        (packages / name / "__main__.py").write_text(MODULE.format(name=name))
    return tmp_path


def make(project: Path, *targets: str, fails: str = "") -> list[str]:
    """What ran for the targets; `fails` names a program that must not run."""
    log = project / "log"
    log.write_text("")
    environment = {**os.environ, "LOG": str(log), "FAILS": fails, "PIP_NO_INDEX": "1"}
    command = ["make", f"PYTHON={project / 'venv' / 'bin' / 'python'}", *targets]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return log.read_text().split()


def test_after_the_installation_pip_is_not_called_again(project):
    assert make(project, "train") == ["pip", "pip", "pip", "cubelib"]
    assert make(project, "install", "lab", "train", "test", fails="pip") == ["jupyter", "cubelib", "pytest"]


@pytest.mark.parametrize("file", FILES[1:])
def test_a_changed_requirement_is_installed(project, file):
    make(project, "install")
    later = (project / "venv" / ".cubelib-installed").stat().st_mtime + 10
    os.utime(project / file, (later, later))
    assert make(project, "train") == ["pip", "pip", "pip", "cubelib"]


def test_an_installation_that_failed_is_tried_again(project):
    with pytest.raises(AssertionError):
        make(project, "install", fails="pip")
    assert make(project, "install") == ["pip", "pip", "pip"]
