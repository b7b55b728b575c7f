"""Cubes with a teacher that needs no model: it counts letters. And a text with markup, as a learner may type it."""

import torch

from cubelib import CubeTrainer, TeacherEncoder

DIM = 48
MARKUP = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> & <b>bold</b>"


def letters(texts):
    """How often each letter occurs in each text, `(n, 48)`, and a little that is the same for all."""
    return [[text.lower().count(chr(97 + place % 26)) + 0.1 * place for place in range(DIM)] for text in texts]


def trainer(mode="dialogue", **settings):
    """A cube of 4×4×4 cells that changes what goes through it, as if it were trained."""
    made = CubeTrainer({"embedding_dim": DIM, "lattice_size": [4, 4, 4], "mode": mode, **settings})
    made.initialize_components()
    made.encoder = TeacherEncoder(letters)
    torch.manual_seed(0)
    for sheet in made.core.rule.out:
        torch.nn.init.normal_(sheet, std=0.2)
    return made


def vectors(count=60, seed=1):
    """Random vectors of length 1, `(count, 48)`."""
    return torch.nn.functional.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)), dim=1)
