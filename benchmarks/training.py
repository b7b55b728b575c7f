"""What an epoch of training costs: seconds, share of this machine's matrix-product peak, memory.

    python -m benchmarks.training                              # some three minutes on two quiet cores
    python -m benchmarks.training --cubes "genome; local" --threads 2 --batches 32,128

10,000 random unit vectors of 768 numbers; loss, gradients, optimizer and everything else that the loop does is counted,
validation is not. The default layout, pca, turns every vector into its cube and back with a product of 768×768;
row_major does not. Seconds are those of the fastest epoch, since other programs can only make one slower. `ratio` is
the share of the speed of a 1024×1024 matrix product, measured just before with the same number of threads; forward and
backward count as three times the forward FLOPs of the lattice's products, everything else as nothing. Memory is the
most that the whole process held, Python and PyTorch included.
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import torch
from torch.nn.functional import normalize

from benchmarks.lattice import Bench
from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset, TrainingConfig
from cubelib.training.run import Run

CUBES = {
    "default": TrainingConfig(),
    "genome": TrainingConfig(core={"rule": "genome", "hidden": 32}),
    "dialogue": TrainingConfig(mode="dialogue"),
}
HEADER = "| cube | loss | batch | threads | s an epoch | vectors/s | GFLOP/s | peak GFLOP/s | ratio | memory MB |"


def new_run(config: TrainingConfig, items: int) -> Run:
    """A run on made-up vectors, before its first epoch; validation is as small as can be."""
    generator = torch.Generator().manual_seed(0)

    def vectors(count: int) -> torch.Tensor:
        return normalize(torch.randn(count, config.embedding_dim, generator=generator), dim=1)

    def data(count: int) -> AutoencoderDataset | DialogueDataset:
        if config.mode == "autoencoder":
            return AutoencoderDataset(vectors(count))
        return DialogueDataset(vectors(count), vectors(count))

    trainer = CubeTrainer(config)
    trainer.initialize_components()
    return trainer.prepare(data(items), data(2))


def seconds_an_epoch(run: Run, epochs: int) -> float:
    """Of the fastest of several."""
    times = []
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        run.loop.epoch(epoch)
        times.append(time.perf_counter() - start)
    return min(times)


def most_memory() -> float | None:
    """MB that the process has held at most since `forget_memory`; None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3


def forget_memory() -> None:
    """Begins to count the most memory anew."""
    refs = Path("/proc/self/clear_refs")
    if refs.exists():
        refs.write_text("5")


def measure(name: str, batch: int, threads: int, items: int, epochs: int) -> str:
    """A line of the table."""
    torch.set_num_threads(threads)
    peak = Bench(0.3, threads).measure_peak()
    config = CUBES[name].model_copy(update={"batch_size": batch, "epochs": max(epochs, CUBES[name].epochs)})
    forget_memory()
    run = new_run(config, items)
    seconds = seconds_an_epoch(run, epochs)
    speed = 3 * run.loop.core.flops_per_sample * items / seconds
    memory = most_memory()
    cells = [
        name, config.loss_for(config.mode), batch, threads, f"{seconds:.2f}", f"{items / seconds:,.0f}",
        f"{speed / 1e9:.0f}", f"{peak / 1e9:.0f}", f"{speed / peak:.2f}", "–" if memory is None else f"{memory:.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cubes", default=";".join(CUBES), help=f"separated by semicolons: {'; '.join(CUBES)}")
    parser.add_argument("--batches", default="32,128", help="comma-separated")
    parser.add_argument("--threads", default="1,2", help="comma-separated")
    parser.add_argument("--items", type=int, default=10_000, help="training vectors")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each line, of which the fastest counts")
    options = parser.parse_args()
    names = [name.strip() for name in options.cubes.split(";")]
    if unknown := set(names) - set(CUBES):
        parser.error(f"unknown cubes {sorted(unknown)}; choose from {'; '.join(CUBES)}")
    print(f"torch {torch.__version__}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, float32\n")
    print(HEADER)
    print("|---" * (HEADER.count("|") - 1) + "|")
    for name in names:
        for threads in map(int, options.threads.split(",")):
            for batch in map(int, options.batches.split(",")):
                print(measure(name, batch, threads, options.items, options.epochs), flush=True)


if __name__ == "__main__":
    main()
