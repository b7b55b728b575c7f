"""Exercise checks for the notebooks: each takes the learner's function and says what is wrong, or that all is right.

    from cubelib import exercises as check
    check.autoencoder.latent_dim(latent_dim)

One module for each notebook that has exercises.
"""

from cubelib.exercises import autoencoder, dialogue, encoding, lattice, metrics, own_data, reshaping, start

__all__ = ["autoencoder", "dialogue", "encoding", "lattice", "metrics", "own_data", "reshaping", "start"]
