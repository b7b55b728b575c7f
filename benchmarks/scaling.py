"""How training gets faster with processes, what limits it, and a model of it with constants measured here.

    python -m benchmarks.scaling                                  # some two minutes on two quiet cores
    python -m benchmarks.scaling --cubes local --processes 1,2 --batches 64,512

Every number of processes is started with torchrun on this machine, one thread each; all of them share each batch. The
time of a step is that of the fastest epoch, since other programs can only make one slower. `exchange` is the time that
adding up a block of the gradients' size takes between the processes when nothing else is going on.

The model: t(p) = (fixed + joined) · p / cores used + per vector · batch / cores used + (p − 1) · latency
                  + 2 (p − 1) / p · bytes / bandwidth, without `joined` for one process.
`fixed` and `per vector` come from one process at the smallest and largest batch, latency and bandwidth from the
exchange between two, and `joined`, what belonging to a group costs beside that, from two at the smallest batch. All
other lines are predictions. The last table is the model alone, for processes that each have a core of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch

from benchmarks.training import CUBES, new_run, seconds_an_epoch

MARK = "measured: "
HEADER = "| cube | batch | processes | ms a step | vectors/s | speed-up | exchange ms | its share | model ms |"
CURVE = (1, 2, 4, 8, 16, 32, 64)


@dataclass
class Step:
    """One line of the first table; times in seconds."""

    cube: str
    batch: int
    processes: int
    seconds: float
    gradient_bytes: int
    latency: float  # of adding up one number
    exchange: float  # of adding up numbers of the gradients' size


def time_of(run: Callable[[], object], times: int = 50) -> float:
    """Seconds of the fastest fifth of several runs, on average."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return sum(sorted(found)[: times // 5]) / (times // 5)


def measure(cube: str, batch: int, items: int, epochs: int) -> Step:
    """What one process of several does; all get the same figures, but for the clock."""
    config = CUBES[cube].model_copy(update={"batch_size": batch, "epochs": max(epochs, CUBES[cube].epochs)})
    run = new_run(config, items)
    size = sum(parameter.numel() for parameter in run.loop.parameters)
    one, block = torch.ones(1), torch.zeros(size)
    latency = exchange = 0.0
    if run.engine.processes > 1:
        run.engine.wait()
        latency = time_of(lambda: torch.distributed.all_reduce(one))
        exchange = time_of(lambda: torch.distributed.all_reduce(block))
    seconds = seconds_an_epoch(run, epochs) / run.loop.schedule.batch_count(1)
    return Step(cube, batch, run.engine.processes, seconds, block.nbytes, latency, exchange)


def work(cubes: list[str], batches: list[int], items: int, epochs: int) -> None:
    """Measures everything in this process, one of those that torchrun has started; the first prints."""
    torch.set_num_threads(1)
    for cube, batch in product(cubes, batches):
        step = measure(cube, batch, items, epochs)
        if os.environ.get("RANK", "0") == "0":
            print(MARK + json.dumps(vars(step)), flush=True)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # else gloo's threads now and then abort the process at its end


def launch(processes: int, arguments: list[str]) -> list[Step]:
    """Starts processes on this machine and reads what the first of them has measured."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [*torchrun, "-m", "benchmarks.scaling", "--work", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
    )
    return [Step(**json.loads(line.removeprefix(MARK))) for line in done.stdout.splitlines() if line.startswith(MARK)]


@dataclass
class Model:
    """The time of a step, its constants taken from measured steps of one cube; all in seconds."""

    fixed: float
    joined: float
    per_vector: float
    latency: float
    bandwidth: float  # bytes a second, of one process
    gradient_bytes: int

    @classmethod
    def fitted(cls, steps: list[Step]) -> Model:
        """From one process at two batch sizes, the exchange between two, and two at the smallest batch."""
        alone = sorted((step for step in steps if step.processes == 1), key=lambda step: step.batch)
        small, large = alone[0], alone[-1]
        per_vector = (large.seconds - small.seconds) / (large.batch - small.batch)
        pair = sorted((step for step in steps if step.processes == 2), key=lambda step: step.batch)
        latency, exchange = min(step.latency for step in pair), min(step.exchange for step in pair)
        size = pair[0].gradient_bytes
        fixed = small.seconds - per_vector * small.batch
        model = cls(fixed, 0.0, per_vector, latency, size / (exchange - latency), size)
        return replace(model, joined=pair[0].seconds - model.seconds(small.batch, 2))

    def seconds(self, batch: int, processes: int, cores: int | None = None) -> float:
        """Of a step; `cores` for all processes together, None for one each."""
        used, others = min(processes, cores or processes), processes - 1
        computing = (self.fixed + (self.joined if others else 0)) * processes / used + self.per_vector * batch / used
        return computing + others * self.latency + 2 * others / processes * self.gradient_bytes / self.bandwidth

    def __str__(self) -> str:
        return (
            f"fixed {self.fixed * 1e3:.1f} ms, joined {self.joined * 1e3:.1f} ms, "
            f"{self.per_vector * 1e6:.0f} µs a vector, latency {self.latency * 1e3:.2f} ms, "
            f"{self.gradient_bytes / 1e6:.2f} MB of gradients at {self.bandwidth / 1e9:.2f} GB/s"
        )


def print_measured(steps: list[Step], models: dict[str, Model]) -> None:
    """The first table."""
    print(HEADER)
    print("|---" * (HEADER.count("|") - 1) + "|")
    alone = {(step.cube, step.batch): step.seconds for step in steps if step.processes == 1}
    for step in sorted(steps, key=lambda step: (list(models).index(step.cube), step.batch, step.processes)):
        predicted = models[step.cube].seconds(step.batch, step.processes, os.cpu_count())
        share = f"{step.exchange * 1e3:.2f}", f"{step.exchange / step.seconds:.0%}"
        exchange = share if step.processes > 1 else ("–", "–")
        cells = [
            step.cube, step.batch, step.processes, f"{step.seconds * 1e3:.1f}", f"{step.batch / step.seconds:,.0f}",
            f"{alone[step.cube, step.batch] / step.seconds:.2f}", *exchange, f"{predicted * 1e3:.1f}",
        ]  # fmt: skip
        print("|", " | ".join(map(str, cells)), "|")


def print_modeled(models: dict[str, Model], batches: list[int]) -> None:
    """Thousands of vectors a second by the model, where each process has a core of its own."""
    print("\n| cube, thousand vectors/s | batch |", " | ".join(f"{processes}" for processes in CURVE), "|")
    print("|---" * (2 + len(CURVE)) + "|")
    for (cube, model), batch in product(models.items(), batches):
        rates = [batch / model.seconds(batch, processes) / 1e3 for processes in CURVE]
        print(f"| {cube} | {batch} |", " | ".join(f"{rate:.1f}" for rate in rates), "|")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cubes", default="genome;local", help=f"separated by semicolons: {'; '.join(CUBES)}")
    parser.add_argument("--processes", default="1,2,4", help="comma-separated; 1 and 2 must be among them")
    parser.add_argument("--batches", default="32,128,512", help="comma-separated, two or more sizes")
    parser.add_argument("--items", type=int, default=4096, help="training vectors")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each line, of which the fastest counts")
    parser.add_argument("--work", action="store_true", help="be one of the processes, as torchrun starts them")
    options = parser.parse_args()
    cubes = [name.strip() for name in options.cubes.split(";")]
    batches, counts = ([int(word) for word in words.split(",")] for words in (options.batches, options.processes))
    if unknown := set(cubes) - set(CUBES):
        parser.error(f"unknown cubes {sorted(unknown)}; choose from {'; '.join(CUBES)}")
    if options.work:
        work(cubes, batches, options.items, options.epochs)
        return
    if len(set(batches)) < 2 or not {1, 2} <= set(counts):
        parser.error("the model needs two batch sizes, one process and two")
    steps = [step for count in counts for step in launch(count, sys.argv[1:])]
    models = {cube: Model.fitted([step for step in steps if step.cube == cube]) for cube in cubes}
    print_measured(steps, models)
    print()
    for cube, model in models.items():
        print(f"Model, {cube}: {model}.")
    print_modeled(models, batches)


if __name__ == "__main__":
    main()
