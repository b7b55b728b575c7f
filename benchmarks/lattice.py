"""How fast the lattice is, beside the dense mathematics it replaces and this machine's own matrix-product peak.

    python -m benchmarks.lattice                          # everything, some five minutes on two quiet cores
    python -m benchmarks.lattice --parts cube --threads 1 --batches 32
    python -m benchmarks.lattice --parts depth,reference

One table, one run. Times are the best of several, since other programs can only make a run slower. `peak` is the share
of the speed of a 1024×1024 matrix product, measured just before the row with the same number of threads: `work` counts
the FLOPs that were done, `dense` those of the dense computation with the same result. Forward and backward count as
three times the forward FLOPs.

Paths: `fast` is the light cone. `dense` is the same code with every plane and slab at every tick. `conv3d` is a second
dense rival, written as shortly as PyTorch allows (shared and genome rules, zero boundary). `reference` is the plain
loops, one input. `× fast` says how many times longer than fast a path takes.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv3d, pad

from cubelib.lattice import CubicCore
from cubelib.lattice.reference import reference_states

HEADER = (
    "| lattice | rule | batch | ticks | threads | path "
    "| forward ms | samples/s | work/peak | dense/peak | × fast "
    "| both ms | samples/s | work/peak | dense/peak | × fast | MiB |"
)
PARTS = ("cube", "large", "depth", "compile", "reference", "cuda")


@dataclass
class Bench:
    seconds: float  # for each timing
    threads: int
    device: str = "cpu"
    peaks: list[float] = field(default_factory=list)  # FLOP/s, measured before each row

    def measure_peak(self) -> float:
        matrix = torch.randn(1024, 1024, device=self.device)
        self.peaks.append(2 * 1024**3 / self.best(lambda: matrix @ matrix))
        return self.peaks[-1]

    def best(self, run: Callable[[], object]) -> float:
        """Seconds of the fastest of at least two runs, after one that does not count."""
        self._finish(run)
        times: list[float] = []
        while len(times) < 2 or (sum(times) < self.seconds and len(times) < 200):
            start = time.perf_counter()
            self._finish(run)
            times.append(time.perf_counter() - start)
        return min(times)

    def _finish(self, run: Callable[[], object]) -> None:
        run()
        if self.device == "cuda":
            torch.cuda.synchronize()

    def peak_memory(self, run: Callable[[], object]) -> float | None:
        """MiB that a run needs at its worst moment beyond what was there before; None where it cannot be measured."""
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            run()
            return (torch.cuda.max_memory_allocated() - before) / 2**20
        refs = Path("/proc/self/clear_refs")
        if not refs.exists() or platform.libc_ver()[0] != "glibc":
            return None
        ctypes.CDLL(None).malloc_trim(0)  # give back what earlier runs have left, or it would hide this one's need
        refs.write_text("5")  # forget the highest resident size so far
        before = _resident_mib("VmRSS")
        run()
        return _resident_mib("VmHWM") - before


def _resident_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def new_core(depth: int, face: int, rule: str, steps: int | None = None) -> CubicCore:
    core = CubicCore((depth, face, face), 12, rule=rule, steps=steps)
    generator = torch.Generator().manual_seed(0)
    for sheet in core.rule.out:
        torch.nn.init.normal_(sheet, std=0.01, generator=generator)
    return core


def with_all_planes(core: CubicCore) -> CubicCore:
    """The same core, computing every plane and slab at every tick."""
    dense = CubicCore(core.lattice_size, core.in_channels, rule=core.rule.kind, steps=core.steps)
    dense.load_state_dict(core.state_dict())
    dense.cone = [range(core.lattice_size[0])] * (core.steps + 1)
    return dense.to(core.rule.out[0].device)


def conv3d_dense(core: CubicCore, cube: Tensor) -> Tensor:
    """The dense computation as a chain of 3-D convolutions: every cell of the volume at every tick."""
    rule, (depth, rows, columns) = core.rule, core.lattice_size
    slabs = torch.stack([sheets[0][0] for sheets in (rule.behind, rule.level, rule.ahead)])
    kernel = slabs.unflatten(1, (3, 3, core.state_channels)).permute(4, 3, 0, 1, 2)
    face = (1, 1) if rule.kind == "shared" else (rows, columns)
    bias = torch.stack([*rule.bias]).unflatten(1, face)
    gain = 1.0 if rule.gain is None else torch.stack([*rule.gain]).unflatten(1, face)
    state = pad(cube[:, None], (0, core.state_channels - core.in_channels, 0, 0, 0, 0, 0, depth - 1))
    for t in range(1, core.steps + 1):
        seen = conv3d(state.permute(0, 4, 1, 2, 3), kernel, padding=1).permute(0, 2, 3, 4, 1)
        change = torch.relu(seen[..., : core.hidden] * gain + bias) @ rule.out[0][0] + seen[..., core.hidden :]
        moved = pad(state[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0))
        moved = moved + pad(state[:, -1:], (0, 0, 0, 0, 0, 0, depth - 1, 0))
        reached = (torch.arange(depth, device=cube.device) <= t).to(cube)
        state = moved + change * reached[:, None, None, None]
    return state[:, -1, :, :, : core.in_channels]


def row(
    bench: Bench, core: CubicCore, path: str, run: Callable[[Tensor], Tensor], cube: Tensor, work: int,
    fast: tuple[float, float] | None,
) -> tuple[float, float]:  # fmt: skip
    """Times one path, prints its line and returns (forward, forward + backward) seconds."""

    def forward() -> None:
        with torch.no_grad():
            run(cube)

    def both() -> None:
        core.zero_grad()
        run(cube).square().sum().backward()

    peak = bench.measure_peak()
    times = bench.best(forward), bench.best(both)
    depth, rows, columns = core.lattice_size
    cells = [
        f"{depth}×{rows}×{columns}", core.rule.kind, len(cube), core.steps,
        bench.device if bench.device == "cuda" else bench.threads, path,
    ]  # fmt: skip
    for seconds, factor, baseline in zip(times, (1, 3), fast or times, strict=True):
        speed = factor * len(cube) / seconds / peak
        cells += [
            f"{seconds * 1e3:.2f}", f"{len(cube) / seconds:,.0f}", f"{speed * work:.0%}",
            f"{speed * core.dense_flops_per_sample:.0%}", f"{seconds / baseline:.1f}",
        ]  # fmt: skip
    memory = bench.peak_memory(both)
    print("|", " | ".join(map(str, [*cells, "–" if memory is None else f"{memory:.0f}"])), "|", flush=True)
    return times


def compare(bench: Bench, core: CubicCore, batch: int, *, rivals: bool = True, compiled: bool = False) -> None:
    """The fast path, and its dense rivals, each checked to give the same output before it is timed."""
    core.to(bench.device)
    depth, rows, columns = core.lattice_size
    cube = torch.randn(batch, rows, columns, core.in_channels, device=bench.device)
    fast = row(bench, core, "fast", core, cube, core.flops_per_sample, None)
    dense = with_all_planes(core)
    paths: list[tuple[str, CubicCore, Callable[[Tensor], Tensor], int]] = []
    if rivals:
        paths.append(("dense", dense, dense, core.dense_flops_per_sample))
    if rivals and core.rule.kind != "local":
        taps = 27 * core.state_channels * core.hidden + core.hidden * core.state_channels
        paths.append(("conv3d", dense, partial(conv3d_dense, dense), 2 * core.steps * depth * rows * columns * taps))
    for name, holder, run, work in paths:
        with torch.no_grad():
            torch.testing.assert_close(run(cube), core(cube), atol=1e-3, rtol=1e-3)
        row(bench, holder, name, run, cube, work, fast)
    if compiled:
        torch._dynamo.reset()  # one compiled core at a time
        run = torch.compile(core, fullgraph=True, mode="reduce-overhead" if bench.device == "cuda" else "default")
        row(bench, core, "compiled", run, cube, core.flops_per_sample, fast)


def compare_with_reference(bench: Bench) -> None:
    core = new_core(8, 8, "genome")
    cube = torch.randn(1, 8, 8, 12)
    with torch.no_grad():
        start = time.perf_counter()
        expected = reference_states(core, cube[0])[-1, -1, :, :, :12]
        slow = time.perf_counter() - start
        torch.testing.assert_close(core(cube)[0], expected, atol=1e-3, rtol=1e-3)
        fast = bench.best(lambda: core(cube))
    print(
        f"\nOne input, 8×8×8, genome: reference.py {slow * 1e3:,.0f} ms, fast {fast * 1e3:.2f} ms: {slow / fast:,.0f}×."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"comma-separated: {', '.join(PARTS)}")
    parser.add_argument("--threads", default=f"1,{torch.get_num_threads()}", help="comma-separated thread counts")
    parser.add_argument("--rules", default="shared,genome,local", help="comma-separated")
    parser.add_argument("--batches", default="32,256", help="comma-separated, for the 8×8×8 part")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each timing (at least two runs)")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; choose from {', '.join(PARTS)}")
    rules, batches = options.rules.split(","), [int(batch) for batch in options.batches.split(",")]
    benches = [Bench(options.seconds, threads) for threads in dict.fromkeys(map(int, options.threads.split(",")))]
    if "cuda" in parts and torch.cuda.is_available():
        benches.append(Bench(options.seconds, 1, "cuda"))
    print(f"torch {torch.__version__}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, float32\n")
    print(HEADER)
    print("|---" * (HEADER.count("|") - 1) + "|")
    for bench in benches:
        torch.set_num_threads(bench.threads)
        if "cube" in parts or bench.device == "cuda":
            for steps in (7, 11):
                for rule in rules:
                    for batch in batches:
                        compare(bench, new_core(8, 8, rule, steps), batch, compiled=bench.device == "cuda")
        if "large" in parts:
            compare(bench, new_core(12, 12, "genome"), 32)
            compare(bench, new_core(16, 16, "genome"), 32)
        if "depth" in parts and bench is benches[0]:
            for depth in (8, 16, 32):
                compare(bench, new_core(depth, 8, "genome"), 32)
        if "compile" in parts and bench is benches[0]:
            for rule in rules:
                compare(bench, new_core(8, 8, rule), 32, rivals=False, compiled=True)
    print()
    for bench in benches:
        if bench.peaks:
            low, high = min(bench.peaks) / 1e9, max(bench.peaks) / 1e9
            print(f"Matrix-product peak, {bench.device}, {bench.threads} thread(s): {low:.0f} to {high:.0f} GFLOP/s.")
    if "reference" in parts:
        torch.set_num_threads(1)
        compare_with_reference(benches[0])


if __name__ == "__main__":
    main()
