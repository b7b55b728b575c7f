"""Pictures of a lattice: printed ones, and ones to turn, with a player for the ticks.

    show   a vector on its way through a core, in three dimensions
    play   any values of cells over time, in three dimensions
    cubes  transparent cubes next to each other
    faces  single planes
    films  all planes, tick by tick

`show` and `play` give a `View`: in JupyterLab it turns, on paper it is a picture.

Taught in notebook 03.
"""

from cubelib.views.view3d.colors import ORANGE, SILENT
from cubelib.views.view3d.pictures import cubes, faces, films
from cubelib.views.view3d.view import View, play, show

__all__ = ["ORANGE", "SILENT", "View", "cubes", "faces", "films", "play", "show"]
