"""How good is a cube? Its baselines, and the report that compares it with them on held-out items.

    baselines          models that learn nothing, or in closed form
    networks           baselines trained by gradient descent
    mystery_models     models that cheat
    relevant_answers   the answers of a dialogue, and which are right
    report             build_report: which baselines, how they are fitted and measured
    table              TaskReport: results, intervals, verdicts
    sentences          what follows from them

Taught in notebooks 04, 05 and 06.
"""

from cubelib.evaluation.baselines import PCA, Identity, LocalPCA, MeanTarget, NearestAnswer, Procrustes, Ridge
from cubelib.evaluation.mystery_models import AvoidsAnswers, Leak, Memorizer, mystery_models
from cubelib.evaluation.networks import MLP, AutoencoderMLP, LowRankAdapter
from cubelib.evaluation.relevant_answers import RelevantAnswers
from cubelib.evaluation.report import build_report, check_baselines
from cubelib.evaluation.table import TaskReport
from cubelib.evaluation.whitened import Whitened

__all__ = [
    "MLP", "PCA", "AutoencoderMLP", "AvoidsAnswers", "Identity", "Leak", "LocalPCA", "LowRankAdapter", "MeanTarget",
    "Memorizer", "NearestAnswer", "Procrustes", "RelevantAnswers", "Ridge", "TaskReport", "Whitened", "build_report",
    "check_baselines", "mystery_models",
]  # fmt: skip
