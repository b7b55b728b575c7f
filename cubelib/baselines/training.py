"""The one training loop of all baselines that learn by gradient descent.

Several networks, one for each choice to be made, start together; those that are behind after a few rounds are dropped,
so that the time goes to the ones that may win.

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

from cubelib.baselines.base import Score, Vectors
from cubelib.losses import Loss
from cubelib.stopping import Convergence
from cubelib.training.plan import shuffled

BATCH = 128
STEPS = (30, 250)  # at least and at most, between two looks at the validation score; else once through the pairs
ROUNDS = 20  # at most; the learning rate falls to zero over them
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
) -> int:
    """Trains with Adam until the validation score no longer rises, and puts the best weights back.

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

    Returns:
        Which candidate is the best.

    Raises:
        FloatingPointError: no candidate's loss is a number to the end.

    Source: Defazio, Cutkosky, Mehta, Mishchenko, Optimal linear decay learning rate schedules and further refinements,
    2023 (the learning rate).
    """
    rounds = ROUNDS_BLIND if validation is None else ROUNDS
    steps = min(max(math.ceil(len(input) / BATCH), STEPS[0]), STEPS[1])
    runs = [_Run(candidate, input, target, loss, seed, steps * rounds) for candidate in candidates]
    if validation is None:
        runs = runs[:1]
        for _ in range(rounds):
            runs[0].train(steps)
        return 0
    for run in runs:
        run.look(validation, score)
    running, diverged = list(runs), []
    for number in range(1, rounds + 1):
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
        if number in HALVINGS:
            running = sorted(running, key=lambda run: -run.best)[: math.ceil(len(running) / 2)]
    kept = [place for place, run in enumerate(runs) if run not in lost]
    best = max(kept, key=lambda place: runs[place].best)
    runs[best].put_back()
    return best


class _Run:
    """A candidate on its way."""

    def __init__(
        self, candidate: Candidate, input: Vectors, target: Vectors, loss: Loss, seed: int, all_steps: int
    ) -> None:
        self.candidate, self.input, self.target, self.loss = candidate, input, target, loss
        self.network = candidate.network
        self.best, self.converged = -math.inf, False
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=candidate.learning_rate, fused=True)
        self._schedule = torch.optim.lr_scheduler.LinearLR(self._optimizer, 1.0, 0.0, all_steps)
        self._batches = shuffled(len(input), BATCH, torch.Generator().manual_seed(seed))
        self._convergence: Convergence | None = None

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
            self._convergence = Convergence(RISE, PATIENCE, now)
        else:
            self.converged = self._convergence.update(now)
        if now > self.best or math.isinf(self.best):
            self.best = self.candidate.score = now
            self._best_weights = copy.deepcopy(self.network.state_dict())

    def put_back(self) -> None:
        self.network.load_state_dict(self._best_weights)
