"""The one training loop of all baselines that learn by gradient descent."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cubelib.baselines.base import Score, Vectors
from cubelib.losses import Loss
from cubelib.stopping import Convergence

BATCH = 128
STEPS = 100  # at most, between two looks at the validation score: a million pairs need not all be seen
ROUNDS = 60  # of at most so many steps, or once through the pairs
ROUNDS_BLIND = 5  # without validation items nobody sees when it is enough
PATIENCE = 6  # rounds without a better score
RISE = 1e-4  # what counts as better


def train(
    network: nn.Module,
    input: Vectors,
    target: Vectors,
    validation: tuple[Tensor, Tensor] | None,
    score: Score,
    *,
    loss: Loss,
    learning_rate: float,
    seed: int,
) -> float:
    """Trains with Adam until the validation score no longer rises, and puts the best weights back.

    The weights at the start compete too: a network that starts as the identity never ends below it on validation.

    Args:
        network: `(batch, dim)` → `(batch, other_dim)`; trained in place.
        input: `(n, dim)`.
        target: `(n, other_dim)`.
        validation: other pairs, or None: then it trains 5 rounds and keeps the last weights.
        score: of (output, target) on validation; larger is better.
        loss: of (output, target) on a batch.
        learning_rate: of Adam, without decay.
        seed: for the order of the pairs.

    Returns:
        The best validation score; NaN without validation.

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    batches = _batches(len(input), torch.Generator().manual_seed(seed))
    steps = min(math.ceil(len(input) / BATCH), STEPS)

    def look() -> float:
        with torch.no_grad():
            return math.nan if validation is None else score(network(validation[0].float()), validation[1])

    best, best_weights = look(), copy.deepcopy(network.state_dict())
    convergence = Convergence(RISE, PATIENCE, best)
    for _ in range(ROUNDS_BLIND if validation is None else ROUNDS):
        for _ in range(steps):
            chosen = next(batches)
            optimizer.zero_grad()
            found = loss(network(input[chosen].float()), target[chosen].float())
            if not torch.isfinite(found):
                raise FloatingPointError(
                    f"Training a baseline: the loss became {found.item()} with a learning rate of {learning_rate:g}. "
                    "Give smaller ones, or scale the vectors to length 1."
                )
            found.backward()
            optimizer.step()
        now = look()
        if now > best:
            best, best_weights = now, copy.deepcopy(network.state_dict())
        if validation is not None and convergence.update(now):
            break
    if validation is not None:
        network.load_state_dict(best_weights)
    return best


def _batches(items: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of a shuffle, then of another shuffle, without end."""
    while True:
        yield from torch.randperm(items, generator=generator).split(BATCH)
