"""Widgets for JupyterLab.

    WavePlayer      a sentence on its way through a cube, tick by tick
    LesionLab       kill cells, and see what is left of a sentence
    AskTheCube      a question, and the known answers nearest to it before and after the cube
    TrainingLive    curves that grow while a cube is trained, and a button that stops it
    LayoutExplorer  which cell holds which numbers, under all layouts
    Knobs           any function of yours, with controls for its arguments

Each shows what a plain function returns (`cubelib.views.experiments`, `cubelib.inference.ask`, `CubeTrainer.fit`), so
nothing that can be seen here is hidden in a button. What people type is shown as text: markup is never executed.
"""

from cubelib.views.widgets.ask_the_cube import AskTheCube
from cubelib.views.widgets.knobs import Knobs
from cubelib.views.widgets.layout_explorer import LayoutExplorer
from cubelib.views.widgets.lesion_lab import LesionLab
from cubelib.views.widgets.training_live import TrainingLive
from cubelib.views.widgets.wave_player import WavePlayer

__all__ = ["AskTheCube", "Knobs", "LayoutExplorer", "LesionLab", "TrainingLive", "WavePlayer"]
