"""The one training loop of all baselines that learn by gradient descent.

Several networks, one for each choice to be made, start together; those that are behind after a few rounds may be
dropped, so that the time goes to the ones that may win. No other ends before its validation score has stopped rising.

Source: Jamieson, Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, 2016, algorithm 1
(successive halving).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cubelib.evaluation.baselines.base import Score, Vectors
from cubelib.training.batches import shuffled
from cubelib.training.early_stopping import EarlyStopping
from cubelib.training.losses import Loss

BATCH = 128
STEPS = (30, 250)  # at least and at most, between two looks at the validation score; else once through the pairs
ROUNDS = 20  # of a cycle; the learning rate falls to zero over them
CYCLES = 5  # at most
STILL_RISING = 1e-3  # a cycle whose last round raised the score by so much is followed by another
ROUNDS_BLIND = 5  # without validation items nobody sees when it is enough
PATIENCE = 5  # rounds without a better score
RISE = 1e-4  # what counts as better
HALVINGS = (2, 4)  # after so many rounds the better half goes on


@dataclass
class Candidate:
    """A network to be trained, and the learning rate of its first step.

    Attributes:
        network: `(batch, dim)` → `(batch, other_dim)`.
        learning_rate: of Adam; it falls in a straight line to zero.
        score: the best on validation so far; NaN where nobody looks.
    """

    network: nn.Module
    learning_rate: float
    score: float = math.nan


def train(
    candidates: Sequence[Candidate],
    input: Vectors,
    target: Vectors,
    validation: tuple[Tensor, Tensor] | None,
    score: Score,
    *,
    loss: Loss,
    seed: int,
    batch: int = BATCH,
    rounds: int = ROUNDS,
    halvings: Sequence[int] = HALVINGS,
    weight_decay: float = 0.0,
) -> int:
    """Trains with AdamW until the validation score no longer rises, and puts the best weights back.

    The weights at the start compete too: a network that starts as the identity never ends below it on validation. A
    candidate whose loss is no longer a number is out.

    Args:
        candidates: trained in place; each sees the same batches.
        input: `(n, dim)`.
        target: `(n, other_dim)`.
        validation: other pairs, or None: then the first candidate is trained 5 rounds and keeps the last weights.
        score: of (output, target) on validation; larger is better.
        loss: of (output, target) on a batch.
        seed: for the order of the pairs.
        batch: pairs a step.
        rounds: of a cycle, at most; the learning rate falls to zero over them. A candidate that is still rising at the
            end of a cycle goes on with another, from its best weights.
        halvings: after so many rounds the better half goes on.
        weight_decay: of AdamW.

    Returns:
        Which candidate is the best.

    Raises:
        FloatingPointError: no candidate's loss is a number to the end.

    Source: Defazio, Cutkosky, Mehta, Mishchenko, Optimal linear decay learning rate schedules and further refinements,
    2023 (the learning rate).
    """
    rounds = ROUNDS_BLIND if validation is None else rounds
    steps = min(max(math.ceil(len(input) / batch), STEPS[0]), STEPS[1])
    runs = [
        _Run(candidate, input, target, loss, seed, batch=batch, all_steps=steps * rounds, weight_decay=weight_decay)
        for candidate in candidates
    ]
    if validation is None:
        runs = runs[:1]
        for _ in range(rounds):
            runs[0].train(steps)
        return 0
    for run in runs:
        run.look(validation, score)
    running, diverged = list(runs), []
    for number in range(1, rounds * CYCLES + 1):
        for run in running:
            try:
                run.train(steps)
            except FloatingPointError as error:
                diverged.append((run, error))
            else:
                run.look(validation, score)
        lost = [run for run, _ in diverged]
        if len(lost) == len(runs):
            raise diverged[0][1]
        running = [run for run in running if run not in lost and not run.converged]
        if number in halvings:
            running = sorted(running, key=lambda run: -run.best)[: math.ceil(len(running) / 2)]
        if number % rounds == 0:
            running = [run for run in running if run.last_rise >= STILL_RISING]
            for run in running:
                run.start_again()
        if not running:
            break
    kept = [place for place, run in enumerate(runs) if run not in lost]
    best = max(kept, key=lambda place: runs[place].best)
    runs[best].put_back()
    return best


class _Run:
    """A candidate on its way."""

    def __init__(
        self,
        candidate: Candidate,
        input: Vectors,
        target: Vectors,
        loss: Loss,
        seed: int,
        *,
        batch: int,
        all_steps: int,
        weight_decay: float,
    ) -> None:
        self.candidate, self.input, self.target, self.loss = candidate, input, target, loss
        self.network = candidate.network
        self.best, self.last_rise, self.converged = -math.inf, 0.0, False
        self._all_steps, self._weight_decay = all_steps, weight_decay
        self._batches = shuffled(len(input), batch, torch.Generator().manual_seed(seed))
        self._convergence: EarlyStopping | None = None
        self._begin()

    def _begin(self) -> None:
        rate = self.candidate.learning_rate
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=rate, weight_decay=self._weight_decay, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.LinearLR(self._optimizer, 1.0, 0.0, self._all_steps)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            chosen = next(self._batches)
            self._optimizer.zero_grad()
            found = self.loss(self.network(self.input[chosen].float()), self.target[chosen].float())
            if not torch.isfinite(found):
                raise FloatingPointError(
                    f"Training a baseline: the loss became {found.item()} with a learning rate of "
                    f"{self.candidate.learning_rate:g}. Give smaller ones, or scale the vectors to length 1."
                )
            found.backward()
            self._optimizer.step()
            self._schedule.step()

    @torch.no_grad()
    def look(self, validation: tuple[Tensor, Tensor], score: Score) -> None:
        now = score(self.network(validation[0].float()), validation[1])
        if self._convergence is None:
            self._convergence = EarlyStopping(RISE, PATIENCE, now)
        else:
            self.converged = self._convergence.update(now)
        self.last_rise = max(0.0, now - self.best)
        if now > self.best or math.isinf(self.best):
            self.best = self.candidate.score = now
            self._best_weights = copy.deepcopy(self.network.state_dict())

    def start_again(self) -> None:
        """From the best weights, with the learning rate of the start."""
        self.put_back()
        self._begin()

    def put_back(self) -> None:
        self.network.load_state_dict(self._best_weights)
