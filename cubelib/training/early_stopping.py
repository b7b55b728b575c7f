"""When a run has learned what it can: the rule that ends training."""

from __future__ import annotations


class EarlyStopping:
    """Counts the epochs since the score last rose by the threshold.

    Args:
        threshold: rise over the last score that counted; smaller rises do not restart the count.
        patience: epochs without such a rise after which training has converged.
        score: the score before training.

    Example:
        >>> convergence = EarlyStopping(threshold=0.01, patience=2, score=0.50)
        >>> [convergence.update(score) for score in (0.52, 0.525, 0.529)]
        [False, False, True]
        >>> convergence.reason
        'convergence_threshold: 2 epochs raised the validation score by 0.009, less than 0.01'
        >>> convergence = EarlyStopping(threshold=0.01, patience=2, score=0.50)
        >>> [convergence.update(score) for score in (0.49, 0.48)], convergence.reason
        ([False, True], 'early_stopping_patience: 2 epochs did not raise the validation score')
    """

    def __init__(self, threshold: float, patience: int, score: float) -> None:
        self.threshold, self.patience = threshold, patience
        self._reference, self._best, self._waited = score, score, 0

    def update(self, score: float) -> bool:
        """Takes an epoch's score; True once training has converged."""
        if score >= self._reference + self.threshold:
            self._reference, self._best, self._waited = score, score, 0
        else:
            self._best = max(self._best, score)
            self._waited += 1
        return self._waited >= self.patience

    @property
    def reason(self) -> str:
        """Why training stopped, in words that begin with the setting that stopped it."""
        rise, epochs = self._best - self._reference, "1 epoch" if self._waited == 1 else f"{self._waited} epochs"
        if rise > 0:
            return (
                f"convergence_threshold: {epochs} raised the validation score by {rise:.2g}, less than "
                f"{self.threshold:g}"
            )
        return f"early_stopping_patience: {epochs} did not raise the validation score"
