"""Exercises of the notebooks: each takes the learner's function and says what is wrong, or that all is right.

    from cubelib import check
    check.autoencoder.latent_dim(latent_dim)

One module for each notebook. An exercise is data (`cubelib.exercises.exercise`): the right answer, the cases on which a
function is checked, and the slips that are known by name.
"""

from cubelib.exercises import autoencoder, dialogue, encoding, lattice, metrics, own_data, reshaping, start
from cubelib.exercises.exercise import Exercise
from cubelib.exercises.progress import ENROLLED

__all__ = ["autoencoder", "dialogue", "encoding", "lattice", "metrics", "own_data", "reshaping", "start"]

for _chapter in (start, encoding, reshaping, lattice, autoencoder, dialogue, metrics, own_data):
    for _exercise in vars(_chapter).values():
        if isinstance(_exercise, Exercise):
            ENROLLED[_exercise.number] = _exercise
