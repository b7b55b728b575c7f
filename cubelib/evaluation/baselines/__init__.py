"""What the cube must beat: simple models with the same interface, fitted on the same vectors.

    model.fit(input, target, validation, score) → model      (n, dim) each; validation and score where it has a choice
    model.predict(input)                        → (n, dim)
    model.name, model.parameter_count, model.seconds

    plain       Identity, MeanTarget, NearestAnswer                 nothing learned, or next to nothing
    linear      PCA, LocalPCA, Procrustes, Ridge                    closed form
    networks    LowRankAdapter, MLP, AutoencoderMLP                 gradient descent
    cheats      Memorizer, Leak                                     what metrics must see through

Taught in notebooks 04, 05 and 06.
"""

from cubelib.evaluation.baselines.base import Baseline
from cubelib.evaluation.baselines.cheats import Leak, Memorizer
from cubelib.evaluation.baselines.linear import PCA, STRENGTHS, LocalPCA, Procrustes, Ridge
from cubelib.evaluation.baselines.networks import MLP, AutoencoderMLP, LowRankAdapter
from cubelib.evaluation.baselines.plain import Identity, MeanTarget, NearestAnswer

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
    "Memorizer",
    "NearestAnswer",
    "Procrustes",
    "Ridge",
]
