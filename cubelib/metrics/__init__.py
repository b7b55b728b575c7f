"""Metrics: how close outputs are to their targets, whether the right answer is found, and how certain that is.

    vectors      an output and its target: cosine, squared error, length
    structure    two sets of vectors of the same items: who is near whom, hubs
    retrieval    is the right answer found in a bank?
    intervals    confidence intervals and paired tests

No metric says enough alone: `cubelib.evaluation.build_report` prints each beside baselines, with an interval.

Taught in notebook 06.
"""

from __future__ import annotations

from cubelib.metrics import intervals, retrieval, structure, vectors
from cubelib.metrics.intervals import Interval, bootstrap_mean

__all__ = ["EmbeddingMetrics", "Interval", "bootstrap_mean"]


class EmbeddingMetrics:
    """All metrics under one name; each is a plain function, explained where it is defined (`help` shows it).

    They take torch tensors, NumPy arrays or a VectorFile, `(n, dim)`, of any real type, and read large sets in blocks.
    NaN, infinite numbers, empty sets and shapes that do not fit raise DataError.

    An output and its target:
        cosine_per_item, mse_per_item, norm_ratio_per_item   `(n,)`
        calculate_cosine_similarity, calculate_mse_loss, calculate_semantic_preservation   means
        compute_batch_metrics   the three means by name
    Two sets of vectors of the same items:
        similarity_spearman, linear_cka   the broad layout
        neighbor_overlap, neighbor_overlap_per_item   the nearest
    Answers in a bank:
        retrieval   R@k, MRR, nDCG@k and rank at once, with several right answers and ties
        calculate_mrr   the MRR alone, of each item's own target among all targets
        hubness, k_occurrence   entries that are everybody's neighbor
    How certain:
        bootstrap_mean, bootstrap_means   interval of the mean of one value per item
        paired_test   two models on the same items
        figure_interval   interval of a metric of all items together

    Args:
        device: a name such as "cpu" or "cuda"; it is kept as an attribute. Metrics are computed on the CPU wherever the
            vectors are.

    Example:
        >>> import torch
        >>> output, target = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
        >>> round(EmbeddingMetrics(device="cpu").calculate_cosine_similarity(output, target), 4)
        0.6
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    cosine_per_item = staticmethod(vectors.cosine_per_item)
    mse_per_item = staticmethod(vectors.mse_per_item)
    norm_ratio_per_item = staticmethod(vectors.norm_ratio_per_item)
    calculate_cosine_similarity = staticmethod(vectors.calculate_cosine_similarity)
    calculate_mse_loss = staticmethod(vectors.calculate_mse_loss)
    calculate_semantic_preservation = staticmethod(vectors.calculate_semantic_preservation)
    compute_batch_metrics = staticmethod(vectors.compute_batch_metrics)

    similarity_spearman = staticmethod(structure.similarity_spearman)
    linear_cka = staticmethod(structure.linear_cka)
    neighbor_overlap = staticmethod(structure.neighbor_overlap)
    neighbor_overlap_per_item = staticmethod(structure.neighbor_overlap_per_item)
    hubness = staticmethod(structure.hubness)
    k_occurrence = staticmethod(structure.k_occurrence)

    calculate_mrr = staticmethod(retrieval.calculate_mrr)
    retrieval = staticmethod(retrieval.retrieval)

    bootstrap_mean = staticmethod(bootstrap_mean)
    bootstrap_means = staticmethod(intervals.bootstrap_means)
    paired_test = staticmethod(intervals.paired_test)
    figure_interval = staticmethod(intervals.figure_interval)
