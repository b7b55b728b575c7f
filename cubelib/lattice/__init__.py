"""The 3-D Cubic Core: what a cell sees (`perceive`), what it does (`rule`), how a signal crosses (`cone`, `core`)."""

from cubelib.lattice.cone import light_cone
from cubelib.lattice.core import CubicCore
from cubelib.lattice.damage import random_damage

__all__ = ["CubicCore", "light_cone", "random_damage"]
