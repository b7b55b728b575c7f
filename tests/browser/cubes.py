"""What the notebooks of the tests begin with: cubes with a teacher that needs no model, and texts with markup."""

from __future__ import annotations

from typing import Any

MARKUP = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> & <b>bold</b>"
DIM = 48

SETUP = f"""
import torch
from cubelib import AnswerBank, AutoencoderDataset, CubeTrainer, CubicCore, TeacherEncoder, view3d, widgets

MARKUP = {MARKUP!r}

def letters(texts):
    return [[text.lower().count(chr(97 + place % 26)) + 0.1 * place for place in range({DIM})] for text in texts]

def trainer(mode="dialogue", **settings):
    made = CubeTrainer({{"embedding_dim": {DIM}, "lattice_size": [4, 4, 4], "mode": mode, **settings}})
    made.initialize_components()
    made.embedding_loader = TeacherEncoder(letters)
    torch.manual_seed(0)
    for sheet in made.embedding_processor.rule.out:
        torch.nn.init.normal_(sheet, std=0.2)
    return made

def vectors(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, {DIM}, generator=generator), dim=1)
"""
SHOW = """
core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)  # untrained: a vector goes through as it is
view = view3d.show(core, torch.arange(1.0, 49.0), title=MARKUP)
"""


def run(*cells: str) -> dict[str, Any]:
    """The names that cells leave behind, run in this process."""
    names: dict[str, Any] = {}
    for cell in cells:
        exec(cell, names)
    return names
