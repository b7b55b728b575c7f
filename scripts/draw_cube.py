"""Draws docs/cube.png: one sentence crossing the lattice, from measured states.

python scripts/draw_cube.py
"""

from __future__ import annotations

from pathlib import Path

import torch

from cubelib import AutoencoderDataset, CubeTrainer, TeacherEncoder, TrainingConfig
from cubelib.data import corpora
from cubelib.lattice import light_cone
from cubelib.views import view3d

TICKS = (0, 2, 5, 7)


def main() -> None:
    """Fits the layout on the built-in sentences and draws the states of the first one, tick by tick."""
    dataset = AutoencoderDataset.from_texts(corpora.sentences(), TeacherEncoder())
    trainer = CubeTrainer(TrainingConfig())
    trainer.initialize_components()
    trainer.embedding_reshaper.fit(dataset.input)
    core = trainer.embedding_processor
    with torch.no_grad():
        _, states = core(trainer.embedding_reshaper.fold(dataset.input[:1]), return_states=True)
    strength = states[0].norm(dim=-1)  # (ticks + 1, depth, rows, columns)
    depth, bottleneck = core.lattice_size[0], core.bottleneck_plane
    place = {0: ", front face", bottleneck: ", bottleneck", depth - 1: ", back face"}
    planes = {tick: light_cone(depth, core.steps)[tick][0] for tick in TICKS}
    figure = view3d.cubes(
        {f"tick {tick}: plane {plane}{place.get(plane, '')}": strength[tick] for tick, plane in planes.items()}
    )
    path = Path(__file__).parents[1] / "docs" / "cube.png"
    figure.savefig(path, dpi=110, facecolor="white")
    print(f"wrote {path.name}: sentence of {len(dataset.input_texts[0].split())} words, {core!r}")


if __name__ == "__main__":
    main()
