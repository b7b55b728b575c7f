"""Pictures of a lattice: printed ones, and ones to turn, with a player for the ticks.

    show   a vector on its way through a core, in three dimensions
    play   any values of cells over time, in three dimensions
    cubes  solid cubes next to each other
    faces  single planes
    films  all planes, tick by tick

`show` and `play` return a `View`: it turns in JupyterLab and is a picture on paper. Taught in notebook 03.
"""

from cubelib.views.view3d.interactive import View, play, show
from cubelib.views.view3d.static import cubes, faces, films

__all__ = ["View", "cubes", "faces", "films", "play", "show"]
