"""Exercises of the notebooks: each takes the learner's function and says what is wrong, or that all is right.

    from cubelib import check
    check.autoencoder.latent_dim(latent_dim)

One module for each notebook. An exercise is data (`cubelib.exercises.exercise`): the right answer, the cases on which a
function is checked, and the slips that are known by name.
"""

from cubelib.exercises import autoencoder, dialogue, encoding, lattice, metrics, own_data, reshaping, start

__all__ = ["autoencoder", "dialogue", "encoding", "lattice", "metrics", "own_data", "reshaping", "start"]
