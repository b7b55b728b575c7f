"""Draws docs/cube.png: one sentence crossing the lattice, from measured states.

python scripts/draw_cube.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from cubelib import AutoencoderDataset, CubeTrainer, TeacherEncoder, TrainingConfig, corpora
from cubelib.lattice import light_cone

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
    strength = states[0].norm(dim=-1).numpy()  # (ticks + 1, depth, rows, columns)
    norm = Normalize(0, float(np.quantile(strength[strength > 0], 0.98)))

    figure = Figure(figsize=(12, 3.1), facecolor="white", layout="constrained")
    axes = figure.subplots(1, len(TICKS), subplot_kw={"projection": "3d"})
    for ax, t in zip(axes, TICKS, strict=True):
        cells = strength[t].transpose(0, 2, 1)[:, :, ::-1]  # (depth, columns, rows from bottom to top)
        active = np.zeros_like(cells, dtype=bool)
        active[light_cone(core.lattice_size[0], core.steps)[t]] = True
        colours = colormaps["viridis"](norm(cells))
        ax.voxels(active, facecolors=colours, edgecolor="#222222", linewidth=0.3, shade=False)
        ax.voxels(~active, facecolors=(0, 0, 0, 0), edgecolor=(0, 0, 0, 0.06), linewidth=0.3)
        plane = light_cone(core.lattice_size[0], core.steps)[t][0]
        place = {0: ", front face", core.waist_plane: ", waist", core.lattice_size[0] - 1: ", back face"}
        ax.set_title(f"tick {t}: plane {plane}{place.get(plane, '')}", fontsize=11)
        ax.set_box_aspect((1.5, 1, 1), zoom=1.25)
        ax.view_init(elev=20, azim=-130)
        ax.set_proj_type("persp", focal_length=0.6)
        ax.set_axis_off()
    figure.colorbar(
        ScalarMappable(norm, colormaps["viridis"]), ax=axes, shrink=0.75, pad=0.02, label="signal strength of a cell"
    )
    path = Path(__file__).parents[1] / "docs" / "cube.png"
    figure.savefig(path, dpi=110, facecolor="white")
    print(f"wrote {path.name}: sentence of {len(dataset.input_texts[0].split())} words, {core!r}")


if __name__ == "__main__":
    main()
