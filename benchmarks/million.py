"""A cube trained on a million vectors from a file: time and peak memory of every stage.

    python benchmarks/million.py --rows 100000
    python benchmarks/million.py                   # a million: 3.1 GB of disk

The vectors are made up, with what matters of real ones: a mean, the decaying spectrum of all-mpnet-base-v2 on English
sentences, 5 % near-copies and paraphrases, 1 % exact copies. Peak memory is the largest the process has had so far,
pages of mapped files included (VmHWM on Linux). On a busy machine the seconds of CPU say more than the others.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from cubelib import AutoencoderDataset, CubeTrainer, TrainingConfig
from cubelib.data.splits import leak_free_split
from cubelib.data.vectors import VectorFile
from cubelib.device import peak_memory

CONFIG = Path(__file__).parents[1] / "config" / "cube_training.yaml"
DIM = 768
BLOCK = 10_000


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Prints what the stage took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"| {name} | {wall:,.1f} | {cpu:,.1f} | {peak_memory():.2f} |", flush=True)


def write_vectors(path: Path, rows: int, seed: int = 0) -> None:
    """Unit vectors `(rows, 768)`, float32, as a .npy file, written block by block."""
    generator = np.random.default_rng(seed)
    spread = 1 / (np.arange(DIM, dtype=np.float32) + 60)
    spread /= np.linalg.norm(spread)
    rotation = np.linalg.qr(generator.standard_normal((DIM, DIM)))[0].astype(np.float32)
    mean = 0.26 * rotation[-1]

    def draw(count: int) -> np.ndarray:
        return generator.standard_normal((count, DIM), dtype=np.float32) * spread @ rotation

    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, DIM)}
        np.lib.format.write_array_header_1_0(file, header)
        pool = None
        for start in range(0, rows, BLOCK):
            block = unit(mean + draw(min(BLOCK, rows - start)))
            pool = block.copy() if pool is None else pool
            near, equal = len(block) // 20, len(block) // 100
            amount = generator.uniform(0.1, 1, (near, 1)).astype(np.float32)  # cosines from 0.995 to 0.7
            block[:near] = unit(generator.choice(pool, near) + amount * draw(near))
            block[near : near + equal] = generator.choice(pool, equal)
            generator.shuffle(block)
            file.write(block.data)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length one."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    """Runs the stages one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the file is made; the system's temporary folder by default")
    options = parser.parse_args()
    needed = options.rows * DIM * 4
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        free = shutil.disk_usage(folder).free
        if free < needed + 1e9:
            parser.error(f"{folder} has {free / 1e9:.1f} GB free; {needed / 1e9 + 1:.1f} GB are needed. Set --folder.")
        run(Path(folder) / "vectors.npy", options.rows)


def run(path: Path, rows: int) -> None:
    """From the file to a trained cube, with the default configuration and one epoch."""
    settings = TrainingConfig.from_yaml(CONFIG).to_dict()
    config = TrainingConfig.from_dict({**settings, "mode": "autoencoder", "epochs": 1})
    torch.set_num_threads(config.threads or torch.get_num_threads())
    print(f"{rows:,} vectors of {DIM} numbers, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print("| stage | seconds | of CPU | peak memory so far, GB |\n|---|---:|---:|---:|")
    with stage("nothing but imports"):
        pass
    with stage("making the file"):
        write_vectors(path, rows)
    with stage("checking every vector"):
        dataset = AutoencoderDataset(VectorFile(path))
    with stage("splitting without leaks, borders measured"):
        split = leak_free_split(dataset, near_copy=config.data.near_copy, progress=True)
    trainer = CubeTrainer(config)
    trainer.initialize_components()
    with stage("fitting the layout"):
        trainer.embedding_reshaper.fit(split.train.input)
    with stage("one epoch, validation before and after"):
        trainer.fit(split.train, split.validation)
    with stage("judging by the test items"):
        figures = trainer.evaluate(split.test)
    print(f"\nSplit: {split.report()}.\nTest items: cosine {figures['cosine_similarity']:.4f}.")


if __name__ == "__main__":
    main()
