"""EmbeddingMetrics: how close outputs are to their targets, and whether the right answer is found.

No figure stands alone: `cubelib.evaluation.report` prints each one beside its baselines, with an interval.

    vectors      an output and its target: cosine, angle, length
    structure    two sets of vectors of the same items: who is near whom
    retrieval    is the right answer found in a bank?
    neighbors   hubs, which are everybody's neighbors
    intervals    how sure is a figure, and is a difference luck?
    curves       a figure against the size of the code or the share of damage

Taught in notebook 06.
"""

from __future__ import annotations

from cubelib.metrics import curves, intervals, neighbors, retrieval, structure, vectors
from cubelib.metrics.intervals import Interval, bootstrap_mean
from cubelib.metrics.retrieval import retrieval_ranks

__all__ = ["EmbeddingMetrics", "Interval", "bootstrap_mean", "retrieval_ranks"]


class EmbeddingMetrics:
    """All measures in one place; each is a plain function, explained where it is written (`help` shows it).

    They take torch tensors, NumPy arrays or a VectorFile, `(n, dim)`, of any real type; float64 stays, all else is
    worked on as float32 or better. NaN, infinite numbers, empty sets and shapes that do not fit raise DataError. Large
    sets are read in blocks.

    An output and its target:
        cosine_per_item, mse_per_item, angular_error_per_item, norm_ratio_per_item   `(n,)`
        calculate_cosine_similarity, calculate_mse_loss, calculate_semantic_preservation   means
        compute_batch_metrics   the three means by name
        summary   mean, quantiles and share at the target of a figure per item
    Two sets of vectors of the same items:
        similarity_spearman, linear_cka   the broad layout
        neighbor_overlap, trustworthiness   the nearest; also `_per_item`
    Answers in a bank:
        retrieval   R@k, MRR, nDCG@k and rank in one go, with several right answers and ties
        calculate_mrr, retrieval_ranks   one right answer, ties against the model
        hubness, k_occurrence   entries that are everybody's neighbor
    How sure:
        bootstrap_mean, bootstrap_means   interval of the mean of figures per item
        paired_test   two models on the same items
        figure_interval   interval of a figure of all items together
    Curves:
        rate_distortion   a figure against the size of the code
        damage_curve   a figure against the share of dead parts

    Example:
        >>> import torch
        >>> output, target = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(EmbeddingMetrics.calculate_cosine_similarity(output, target), 4)
        0.6
    """

    cosine_per_item = staticmethod(vectors.cosine_per_item)
    mse_per_item = staticmethod(vectors.mse_per_item)
    angular_error_per_item = staticmethod(vectors.angular_error_per_item)
    norm_ratio_per_item = staticmethod(vectors.norm_ratio_per_item)
    calculate_cosine_similarity = staticmethod(vectors.calculate_cosine_similarity)
    calculate_mse_loss = staticmethod(vectors.calculate_mse_loss)
    calculate_semantic_preservation = staticmethod(vectors.calculate_semantic_preservation)
    compute_batch_metrics = staticmethod(vectors.compute_batch_metrics)
    summary = staticmethod(vectors.summary)

    similarity_spearman = staticmethod(structure.similarity_spearman)
    linear_cka = staticmethod(structure.linear_cka)
    neighbor_overlap = staticmethod(structure.neighbor_overlap)
    neighbor_overlap_per_item = staticmethod(structure.neighbor_overlap_per_item)
    trustworthiness = staticmethod(structure.trustworthiness)
    trustworthiness_per_item = staticmethod(structure.trustworthiness_per_item)

    calculate_mrr = staticmethod(retrieval.calculate_mrr)
    retrieval_ranks = staticmethod(retrieval_ranks)
    retrieval = staticmethod(retrieval.retrieval)
    hubness = staticmethod(neighbors.hubness)
    k_occurrence = staticmethod(neighbors.k_occurrence)

    bootstrap_mean = staticmethod(bootstrap_mean)
    bootstrap_means = staticmethod(intervals.bootstrap_means)
    paired_test = staticmethod(intervals.paired_test)
    figure_interval = staticmethod(intervals.figure_interval)

    rate_distortion = staticmethod(curves.rate_distortion)
    damage_curve = staticmethod(curves.damage_curve)
