"""The one training loop of all baselines that learn by gradient descent.

One network for each combination of choices is trained on the same batches. Those that are behind after a few rounds may
be dropped; no other ends before its validation score has stopped rising.

Source: Jamieson, Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, 2016, algorithm 1
(successive halving); Defazio, Cutkosky, Mehta, Mishchenko, Optimal linear decay learning rate schedules and further
refinements, 2023 (the learning rate).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from cubelib.evaluation.baselines import Score, Validation, Vectors
from cubelib.training.batches import shuffled
from cubelib.training.early_stopping import EarlyStopping
from cubelib.training.losses import Loss

BATCH = 128
STEPS = (30, 250)  # bounds of the steps between two looks at the validation score; within them, once through the pairs
ROUNDS = 20  # of a cycle; the learning rate falls to zero over them
ROUNDS_BLIND = 5  # without validation items
CYCLES = 5  # at most
STILL_RISING = 1e-3  # a cycle whose last round raised the score by this much is followed by another
PATIENCE = 5  # rounds without a better score
RISE = 1e-4  # what counts as better
HALVINGS = (2, 4)  # rounds after which only the better half goes on


class Candidate:
    """A network for one combination of choices, and how far its training is.

    Attributes:
        network: `(batch, dim)` → `(batch, other_dim)`.
        learning_rate: of Adam's first step; it falls linearly to zero.
        score: the best on validation so far; −∞ before the first.
        last_rise: how much the last round raised it.
        converged: whether the score has not risen for PATIENCE rounds.
    """

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        self.network, self.learning_rate = network, learning_rate
        self.score, self.last_rise, self.converged = -math.inf, 0.0, False
        self._stopping = EarlyStopping(RISE, PATIENCE, self.score)

    def start_cycle(self, steps: int, weight_decay: float) -> None:
        """Begins with a new optimizer, whose learning rate falls to zero over so many steps."""
        parameters = self.network.parameters()
        self._optimizer = torch.optim.AdamW(parameters, self.learning_rate, weight_decay=weight_decay, fused=True)
        self._schedule = torch.optim.lr_scheduler.LinearLR(self._optimizer, 1.0, 0.0, steps)

    def train_step(self, input: Tensor, target: Tensor, loss: Loss) -> None:
        """Updates the weights on one batch."""
        self._optimizer.zero_grad()
        error = loss(self.network(input.float()), target.float())
        if not torch.isfinite(error):
            raise FloatingPointError(
                f"Training a baseline: the loss became {error.item()} with a learning rate of {self.learning_rate:g}. "
                "Give smaller ones, or scale the vectors to length 1."
            )
        error.backward()
        self._optimizer.step()
        self._schedule.step()

    @torch.no_grad()
    def validate(self, validation: Validation, score: Score) -> None:
        """Measures the score, and keeps the weights if they are the best so far."""
        current = score(self.network(validation[0].float()), validation[1])
        self.last_rise = max(0.0, current - self.score)
        if current > self.score:
            self.score, self._best_weights = current, copy.deepcopy(self.network.state_dict())
        self.converged = self._stopping.update(current)

    def restore_best(self) -> None:
        """Puts back the weights of the best score."""
        self.network.load_state_dict(self._best_weights)


def train(
    candidates: Sequence[Candidate],
    input: Vectors,
    target: Vectors,
    validation: Validation | None,
    score: Score,
    *,
    loss: Loss,
    seed: int,
    batch: int = BATCH,
    rounds: int = ROUNDS,
    halvings: Sequence[int] = HALVINGS,
    weight_decay: float = 0.0,
) -> Candidate:
    """Trains with AdamW until the validation score no longer rises, and restores the best weights.

    The weights at the start compete too: a network that starts as the identity never ends below it on validation. A
    candidate whose loss is no longer finite drops out.

    Args:
        candidates: trained in place, all on the same batches.
        input: `(n, dim)`.
        target: `(n, other_dim)`.
        validation: other pairs; None trains the first candidate for 5 rounds and keeps its last weights.
        score: `score(output, target)` on validation; larger is better.
        loss: `loss(output, target)` on a batch.
        seed: of the order of the pairs.
        batch: pairs per step.
        rounds: of a cycle. A candidate whose score still rises at its end starts another from its best weights.
        halvings: rounds after which only the better half of the candidates goes on.
        weight_decay: of AdamW.

    Returns:
        The best candidate.

    Raises:
        FloatingPointError: no candidate's loss stays finite.
    """
    if validation is None:
        candidates, rounds = candidates[:1], ROUNDS_BLIND
    steps = min(max(math.ceil(len(input) / batch), STEPS[0]), STEPS[1])
    orders = {}
    for candidate in candidates:
        candidate.start_cycle(steps * rounds, weight_decay)
        orders[candidate] = shuffled(len(input), batch, torch.Generator().manual_seed(seed))

    def train_round(candidate: Candidate) -> None:
        for rows in islice(orders[candidate], steps):
            candidate.train_step(input[rows], target[rows], loss)

    if validation is None:
        for _ in range(rounds):
            train_round(candidates[0])
        return candidates[0]
    for candidate in candidates:
        candidate.validate(validation, score)
    running, finite = list(candidates), list(candidates)
    for number in range(1, rounds * CYCLES + 1):
        for candidate in list(running):
            try:
                train_round(candidate)
                candidate.validate(validation, score)
            except FloatingPointError:
                running.remove(candidate)
                finite.remove(candidate)
                if not finite:
                    raise
        running = [candidate for candidate in running if not candidate.converged]
        if number in halvings:
            running.sort(key=lambda candidate: -candidate.score)
            running = running[: math.ceil(len(running) / 2)]
        if number % rounds == 0:
            running = [candidate for candidate in running if candidate.last_rise >= STILL_RISING]
            for candidate in running:
                candidate.restore_best()
                candidate.start_cycle(steps * rounds, weight_decay)
        if not running:
            break
    best = max(finite, key=lambda candidate: candidate.score)
    best.restore_best()
    return best
