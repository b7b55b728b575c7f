"""Centered and whitened questions: a baseline that learns nothing from answers, alone and before other models."""

from __future__ import annotations

from torch import Tensor

from cubelib.data.vectors import blocks
from cubelib.evaluation.baselines import Baseline, Score, Validation, Vectors
from cubelib.metrics.rows import concat_blocks
from cubelib.training.whitening import Whitening


class Whitened(Baseline):
    """Centers and partly whitens its inputs, by as much as suits the validation items (`cubelib.training.whitening`).

    Whatever another model gains over this, it has learned from pairs. Without validation items it only centers.

    Args:
        then: a model that gets the whitened inputs; None gives them out as they are.

    Example:
        >>> import torch
        >>> questions = torch.tensor([[2.0, 1.0], [2.0, -1.0]])
        >>> Whitened().fit(questions, questions).predict(questions)
        tensor([[ 0.,  1.],
                [ 0., -1.]])
    """

    def __init__(self, then: Baseline | None = None) -> None:
        self.then = then
        self.name = "whitened questions" if then is None else f"{then.name}, whitened questions"
        self.same_width = then is None or then.same_width

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        self._whitening = whitening = Whitening(input.shape[1])

        def of_validation_items() -> float:
            return 0.0 if validation is None else score(whitening(validation[0]), validation[1])

        whitening.fit(input, of_validation_items)
        self.parameter_count = whitening.mean.numel() + whitening.matrix.numel()
        if self.then is not None:
            whitened = concat_blocks(len(input), (self._whiten(block) for block in blocks(input)))
            checked = None if validation is None else (self._whiten(validation[0]), validation[1])
            self.then.fit(whitened, target, checked, score)
            self.latent_dim = self.then.latent_dim
            self.parameter_count += self.then.parameter_count

    def _whiten(self, input: Tensor) -> Tensor:
        whitened: Tensor = self._whitening(input.float())
        return whitened

    def _predict(self, input: Tensor) -> Tensor:
        whitened = self._whiten(input)
        return (whitened if self.then is None else self.then.predict(whitened)).to(input.dtype)
