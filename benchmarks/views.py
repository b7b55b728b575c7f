"""How fast views and widgets answer: in the kernel, and in a browser if one is there.

    OMP_NUM_THREADS=1 python -m benchmarks.views                    # everything, some three minutes
    OMP_NUM_THREADS=1 python -m benchmarks.views --parts kernel
    OMP_NUM_THREADS=1 python -m benchmarks.views --parts browser

The cube is the default one, 8×8×8 cells of 16 numbers, 768-dimensional vectors, untrained; a bank holds 10,000 answers.
Kernel: from a control's change to the data of the new picture, median of 20, one thread, with texts whose vectors are
known already; what the teacher takes for one new text is a row of its own. “Work” is the processor's own time, which
other programs hardly change: on a quiet machine the clock shows about as much. Browser: Chromium without a graphics
card draws by software (SwiftShader), so these are figures of a slow case. Other programs make every figure worse; the
load of the machine is printed.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from cubelib import AnswerBank, AutoencoderDataset, CubeTrainer, CubicCore, TeacherEncoder
from cubelib.views import view3d
from cubelib.views.widgets import AskTheCube, Knobs, LayoutExplorer, LesionLab, TrainingLive, WavePlayer

PARTS = ("kernel", "browser")
DIM, ANSWERS, RUNS, TICKS = 768, 10_000, 20, 12
SECONDS = 5.0  # of turning
WINDOW = {"width": 1280, "height": 900}

# Turns the lattice a little in each animation frame; frames a second.
TURN = """async ([root, seconds]) => {
    const frame = () => new Promise(requestAnimationFrame);
    const begin = performance.now();
    let frames = 0;
    while (performance.now() - begin < 1000 * seconds) {
        root.view.panels[0].turn(2, 0);
        await frame();
        frames++;
    }
    return 1000 * frames / (performance.now() - begin);
}"""
# What the kernel of the Lab runs: the same cube and player as here.
PLAYER = "from benchmarks.views import new_cube, WavePlayer\nWavePlayer(new_cube(), 'text 0')"


def vectors(count: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)


def known(texts: list[str]) -> torch.Tensor:
    """The vectors of the texts “text 0”, “text 1” … without any computing: they stand for encoded ones."""
    return KNOWN[[int("0" + text.removeprefix("text").strip()) for text in texts]]


KNOWN = vectors(100, 0)


def new_cube(**settings: Any) -> CubeTrainer:
    cube = CubeTrainer({"mode": "dialogue", **settings})
    cube.initialize_components()
    cube.encoder = TeacherEncoder(known)
    return cube


def milliseconds(act: Callable[[int], Any]) -> list[tuple[float, float]]:
    """Of each of 20 runs, after one that does not count: by the clock, and of the processor's work.

    Each run is given its number.
    """
    times = []
    for number in range(RUNS + 1):
        clock, work = time.perf_counter(), time.process_time()
        act(number)
        times.append((1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - work)))
    return times[1:]


def row(what: str, action: str, times: list[tuple[float, float]]) -> None:
    clock, work = (statistics.median(kind) for kind in zip(*times, strict=True))
    print(f"| {what} | {action} | {clock:,.0f} | {work:,.0f} |", flush=True)


def sets(control: Any, values: list[Any]) -> Callable[[int], None]:
    """Puts one value after the other into a control, in a circle; neighbors differ, so each is a change."""
    ring = itertools.cycle(values)
    return lambda _: setattr(control, "value", next(ring))


def kernel() -> None:
    cube, texts = new_cube(), [f"text {number}" for number in range(1, 40)]
    bank = AnswerBank(vectors(ANSWERS, 1), [f"answer {number}" for number in range(ANSWERS)])
    print("| | from … to the new picture's data | ms | of them work |\n| --- | --- | ---: | ---: |")
    player = WavePlayer(cube, "text 0")
    row("WavePlayer", "another sentence", milliseconds(sets(player.sentence, texts)))
    row("WavePlayer", "another tick", milliseconds(sets(player.tick, [1, 2, 3, 4])))
    row("WavePlayer", "another channel", milliseconds(sets(player.channel, [0, 1, 2])))
    lab = LesionLab({"plain": cube, "other": new_cube(random_seed=5)}, "text 0", bank=bank)
    row("LesionLab, two cubes", "a click on a cell", milliseconds(lambda n: lab.toggle((n % 8, 3, 4))))
    row("LesionLab, two cubes", "another share", milliseconds(sets(lab.percent, [5, 10, 20])))
    row("LesionLab, two cubes", "another sentence", milliseconds(sets(lab.sentence, texts)))
    asking = AskTheCube(cube, bank, "text 0")
    row("AskTheCube", "another question", milliseconds(sets(asking.question, texts)))
    explorer = LayoutExplorer(cube, vectors(2000, 2), "text 0")
    row("LayoutExplorer", "another sentence", milliseconds(sets(explorer.sentence, texts)))
    explorer.what.value = explorer.what.options[-1]
    row("LayoutExplorer", "another number", milliseconds(sets(explorer.number, [3, 5, 7])))
    knobs = Knobs(bars, number=range(1, 9))
    row("Knobs", "a function that draws eight bars", milliseconds(sets(knobs.controls["number"], [2, 4, 6])))
    small = CubeTrainer({"epochs": 10, "early_stopping_patience": 99})
    small.initialize_components()
    live = TrainingLive(small, AutoencoderDataset(vectors(64, 3)), AutoencoderDataset(vectors(16, 4)))
    last = live.run()[-1]
    row("TrainingLive", "an epoch's end, 10 epochs shown", milliseconds(lambda _: live._after_epoch(small, last)))
    try:
        teacher = warm_teacher()
    except (ModuleNotFoundError, OSError) as error:
        print(f"\nThe teacher is not here: {error}")
    else:
        words = [f"A sentence of some ten words to be encoded, number {number}." for number in range(RUNS + 1)]
        row(
            f"the teacher, {teacher.name}",
            "a new text to its vector",
            milliseconds(lambda n: teacher.encode([f"{words[n]} {time.time_ns()}"])),  # a text that is in no cache
        )
    page = len(view_of(8).html().encode()) / 1e6
    print(f"\nA saved page of 8×8×8 cells and {TICKS} ticks: {page:.2f} MB.")


def warm_teacher() -> TeacherEncoder:
    """The default teacher with its model loaded."""
    cube = CubeTrainer()
    cube.initialize_components()
    cube.embedding_loader.encode([f"warm up {time.time_ns()}"])  # one that is in no cache, so the model is loaded
    return cube.embedding_loader


def bars(number: int) -> Figure:
    figure = Figure(figsize=(4, 3), facecolor="white")
    figure.subplots().bar(range(8), [number] * 8)
    return figure


def view_of(side: int) -> view3d.View:
    """A lattice through which a vector goes, of 12 ticks (8×8×8) or as many as it has planes."""
    core = CubicCore((side, side, side), in_channels=12, steps=max(TICKS - 1, side - 1))
    return view3d.show(core, torch.randn(side * side * 12, generator=torch.Generator().manual_seed(0)))


def browser(folder: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import nbformat
    from browser.conftest import ARGUMENTS, NAMES
    from browser.drawing import Drawing
    from browser.lab import Lab
    from browser.notebook import Notebook, new_notebook
    from browser.pictures import picture, pixels_differ, until

    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or find_spec("playwright") is None:
        print("\nNo figures of a browser: it needs Chromium and the package playwright.")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        print(f"\nChromium {chromium.version}, headless, WebGL by SwiftShader.\n\n| in the browser | |\n| --- | ---: |")
        for side in (8, 16):
            file, page = view_of(side).save(folder / f"{side}.html"), chromium.new_page(viewport=WINDOW)
            start = time.perf_counter()
            page.goto(file.as_uri())
            drawing = Drawing(page, page.locator(".cubelib"))
            until(lambda drawing=drawing: lit(drawing.picture()), "cells")
            opened = time.perf_counter() - start
            drawing.slide(side // 2)
            frames = page.evaluate(TURN, [drawing.root.element_handle(), SECONDS])
            box = drawing.canvas().bounding_box()
            print(f"| {side}×{side}×{side}: from opening the saved page to cells that are seen | {opened:.1f} s |")
            size = f"{box['width']:.0f}×{box['height']:.0f}"
            print(f"| {side}×{side}×{side}: turning, {size} pixels | {frames:.0f} frames/s |", flush=True)
            page.close()
        lab = Lab(folder / "lab")
        try:
            nbformat.write(new_notebook([PLAYER]), lab.root / "player.ipynb")
            page = chromium.new_page(viewport=WINDOW)
            notebook = Notebook(page, lab, "player.ipynb")
            notebook.run()
            drawing = notebook.drawing(0)
            until(lambda: lit(drawing.picture()), "the player")
            times = []
            for tick in (1, 2, 3, 4, 5, 4, 3, 2, 1, 0):
                before = drawing.picture()
                start = time.perf_counter()
                drawing.slide(tick)
                until(lambda before=before: pixels_differ(before, picture(drawing.canvas())) > 0.002, "another picture")
                times.append(time.perf_counter() - start)
            print(
                f"| WavePlayer in JupyterLab, 8×8×8: from another tick to other pixels, median of {len(times)} | "
                f"{statistics.median(times):.2f} s |"
            )
        finally:
            lab.close()
        chromium.close()


def lit(image: Any) -> bool:
    """Whether colored cells are seen: more than the color bar."""
    inner = image[:, : int(0.75 * image.shape[1])].astype(int)
    return bool((inner.max(axis=2) - inner.min(axis=2) > 60).mean() > 0.005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"comma-separated: {', '.join(PARTS)}")
    parts = parser.parse_args().parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; choose from {', '.join(PARTS)}")
    torch.set_num_threads(1)
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}; torch {torch.__version__}, one thread\n")
    if "kernel" in parts:
        kernel()
    if "browser" in parts:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "lab").mkdir()
            browser(Path(folder))


if __name__ == "__main__":
    main()
