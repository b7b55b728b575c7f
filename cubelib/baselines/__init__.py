"""What the cube must beat: simple models with the same interface, fitted on the same vectors.

    model.fit(input, target, validation, score) → model      (n, dim) each; validation and score where it has a choice
    model.predict(input)                        → (n, dim)
    model.name, model.parameter_count, model.seconds

    plain       Identity, MeanTarget, NearestAnswer                 nothing learnt, or next to nothing
    linear      PCA, LocalPCA, Procrustes, Ridge                    closed form
    networks    LowRankAdapter, MLP, AutoencoderMLP                 gradient descent
    cheats      Memoriser, Leak                                     what metrics must see through

Taught in notebooks 04, 05 and 06.
"""

from cubelib.baselines.base import Baseline
from cubelib.baselines.cheats import Leak, Memoriser
from cubelib.baselines.linear import PCA, STRENGTHS, LocalPCA, Procrustes, Ridge
from cubelib.baselines.networks import MLP, AutoencoderMLP, LowRankAdapter
from cubelib.baselines.plain import Identity, MeanTarget, NearestAnswer

__all__ = [
    "MLP",
    "PCA",
    "STRENGTHS",
    "AutoencoderMLP",
    "Baseline",
    "Identity",
    "Leak",
    "LocalPCA",
    "LowRankAdapter",
    "MeanTarget",
    "Memoriser",
    "NearestAnswer",
    "Procrustes",
    "Ridge",
]
