"""Things to play with in JupyterLab.

    WavePlayer      a sentence on its way through a cube, tick by tick
    LesionLab       kill cells, and see what is left of a sentence
    AskTheCube      a question, and the known answers nearest to it before and after the cube
    TrainingLive    curves that grow while a cube is trained, and a button that stops it
    LayoutExplorer  which cell holds which numbers, under all layouts
    Knobs           any function of yours, with controls for its arguments

Each shows what a plain function returns (`cubelib.views.experiments`, `cubelib.inference.ask`, `CubeTrainer.fit`), so nothing that can
be seen here is hidden in a button. What people type is shown as text: markup in it is never executed.

Taught in all notebooks.
"""

from cubelib.views.widgets.asking import AskTheCube
from cubelib.views.widgets.knobs import Knobs
from cubelib.views.widgets.layouts import LayoutExplorer
from cubelib.views.widgets.lesions import LesionLab
from cubelib.views.widgets.training import TrainingLive
from cubelib.views.widgets.wave import WavePlayer

__all__ = ["AskTheCube", "Knobs", "LayoutExplorer", "LesionLab", "TrainingLive", "WavePlayer"]
