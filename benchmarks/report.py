"""What a report costs: seconds of fitting and of measuring each model, and peak memory.

    python benchmarks/report.py                          # 2,000 test pairs, a bank of 10,000 answers
    python benchmarks/report.py --test 500 --bank 2000 --baselines quick --task autoencoder

The vectors are made up, with what matters of real ones: topics, a decaying spectrum, answers that follow from their
question in part. The cube is the default one before training; how well it does is not the point here.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cubelib import AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.data.splits import Split, leak_free_split
from cubelib.device import peak_memory
from cubelib.evaluation.baselines import Baseline
from cubelib.evaluation.report import CHOICES, Bench, build_report, choose_baselines, fit_baselines

DIM, TOPICS = 768, 50


def made_up(task: str, items: int) -> AutoencoderDataset | DialogueDataset:
    """Questions about 50 topics, and answers half of which a linear map of the question tells."""
    generator = torch.Generator().manual_seed(0)

    def noise(count: int) -> Tensor:
        return torch.randn(count, DIM, generator=generator) / (torch.arange(DIM) + 60)

    topics = 2 * noise(TOPICS)
    questions = noise(items) + topics[torch.randint(TOPICS, (items,), generator=generator)]
    if task == "autoencoder":
        return AutoencoderDataset(normalize(questions, dim=1))
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    answers = 0.3 * questions + questions @ (0.3 * turn) + 2 * noise(items)
    return DialogueDataset(normalize(questions, dim=1), normalize(answers, dim=1))


def split_of(task: str, test: int, bank: int) -> Split:
    """`test` items of `bank`, a tenth for validation; no two of them are copies."""
    return leak_free_split(made_up(task, bank), 0.1, test / bank, near_copy=1)


def main() -> None:
    """Prints a line for each model, then what a whole report takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=["autoencoder", "dialogue"], default="dialogue")
    parser.add_argument("--test", type=int, default=2000, help="test items")
    parser.add_argument("--bank", type=int, default=10_000, help="items in all, each with an answer of its own")
    parser.add_argument("--baselines", choices=CHOICES, default="default")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    split = split_of(options.task, options.test, options.bank)
    trainer = CubeTrainer({"mode": options.task, "epochs": 0})
    trainer.initialize_components()
    trainer.fit(split.train, split.validation, progress=False)
    started = time.perf_counter()
    bench = Bench(options.task, split, 0.9)
    print(f"{options.task}: {split.report()}\n")
    print(
        f"| step | s to fit | s to measure | GB peak |\n| --- | ---: | ---: | ---: |\n| answer bank | – | "
        f"{time.perf_counter() - started:.1f} | {peak_memory():.2f} |"
    )
    chosen = choose_baselines(trainer, options.task, options.baselines)
    for model in [trainer, *fit_baselines(chosen, options.task, split)[0]]:
        name, took = (model.name, model.seconds) if isinstance(model, Baseline) else ("cube", 0.0)
        started = time.perf_counter()
        bench.measure(name, model.predict)
        print(f"| {name} | {took:.1f} | {time.perf_counter() - started:.1f} | {peak_memory():.2f} |", flush=True)
    started = time.perf_counter()
    (report,) = build_report(trainer, {options.task: split}, baselines=options.baselines)
    report.to_dict()  # every interval and test
    took, fitting = time.perf_counter() - started, sum(row.seconds or 0.0 for row in report.rows[1:])
    print(
        f"\n{report}\n\nA whole report with baselines={options.baselines!r}: {took:.1f} s, of which {fitting:.1f} s to "
        "fit them."
    )
    print(f"Peak memory {peak_memory():.2f} GB, {torch.get_num_threads()} threads.")


if __name__ == "__main__":
    main()
