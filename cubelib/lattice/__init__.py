"""The 3-D Cubic Core: what a cell sees (`perceive`), what it does (`rule`), how a signal crosses (`cone`, `core`)."""

from cubelib.lattice.cone import light_cone
from cubelib.lattice.core import CubicCore
from cubelib.lattice.damage import ball_damage, damage_from_tick, hole_damage, make_damage, random_damage

__all__ = [
    "CubicCore",
    "ball_damage",
    "damage_from_tick",
    "hole_damage",
    "light_cone",
    "make_damage",
    "random_damage",
]
