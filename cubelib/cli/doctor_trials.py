"""What `python -m cubelib doctor` tries in a process of its own: it may fail or crash there.

Only the standard library is imported here; what a step needs is imported by the step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 300  # seconds
_MARK = "cubelib doctor: "  # before each line that the other process has to say


def run_elsewhere(steps: Sequence[str]) -> tuple[dict[str, dict[str, str]], str]:
    """Take steps in another process.

    Returns:
        Step → what it said, as far as it came; and why it came no farther.
    """
    # By its path: importing cubelib would import torch and more, and which of them fails is what is to be found out.
    code = f"import runpy; runpy.run_path({__file__!r})['take_steps']({list(steps)!r})"
    paths = filter(None, [os.environ.get("PYTHONPATH"), str(Path(__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return {}, f"nothing came of it in {PATIENCE} s"
    except OSError as error:
        return {}, f"{sys.executable} cannot be started: {error.strerror}"
    lines = [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    said = {step["step"]: step for step in map(json.loads, lines)}
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:]
    return said, last[0].strip() if last else f"the process ended with code {done.returncode} and said nothing"


def take_steps(steps: Sequence[str]) -> None:
    """What the other process does: a line of JSON for each step, until one fails."""
    for step in steps:
        state, found = STEPS[step]()
        print(_MARK + json.dumps({"step": step, "state": state, "found": found}), flush=True)


def _see_torch() -> tuple[str, str]:
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    cuda = f"CUDA {torch.version.cuda}: {', '.join(gpus)}" if gpus else "no CUDA GPU seen"
    threads = torch.get_num_threads()
    return "ok", f"{torch.__version__}, {threads} thread{'s' * (threads > 1)}, {cuda}"


def _see_warm_cache() -> tuple[str, str]:
    from cubelib.encoders.bundled import WARM_CACHE, warm_vectors

    return "ok", f"{len(warm_vectors()):,} vectors, {WARM_CACHE.stat().st_size / 1e6:,.1f} MB"


def _train_a_cube() -> tuple[str, str]:
    import torch

    from cubelib import AutoencoderDataset, CubeTrainer

    started = time.perf_counter()
    config = {"embedding_dim": 48, "lattice_size": [4, 4, 4], "epochs": 1, "device": "cpu"}
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    data = AutoencoderDataset(torch.randn(8, 48, generator=torch.Generator().manual_seed(0)))
    trainer.fit(data, data, progress=False)
    if not torch.isfinite(trainer.predict(data.input)).all():
        return "broken", "it made numbers that are not finite"
    return "ok", f"{time.perf_counter() - started:.1f} s"


def _compare_teacher() -> tuple[str, str]:
    from cubelib.data import corpora
    from cubelib.encoders import teacher
    from cubelib.encoders.bundled import warm_vectors
    from cubelib.encoders.cache import cache_folder, embedding_key

    model, (text,) = teacher.MPNet(cache_folder(), "cpu"), corpora.sentences(1)
    started = time.perf_counter()
    (vector,) = model.vectors([text])
    took = f"{time.perf_counter() - started:.1f} s to load it and encode a sentence"
    cosine = float(vector @ warm_vectors()[embedding_key(model.sha256, model.tag, text)])
    return "ok" if cosine > 0.999 else "broken", f"cosine {cosine:.6f}, {took}"


STEPS = {"torch": _see_torch, "warm": _see_warm_cache, "cube": _train_a_cube, "teacher": _compare_teacher}
