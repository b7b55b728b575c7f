"""Baselines trained by gradient descent: a low-rank adapter, a network with one hidden layer, an autoencoder.

Everything free is chosen on the validation items by the score that the model is judged by: when to stop, the learning
rate, the rank. Without validation items the first choice is trained for 5 rounds.

Residual networks start as no model. Autoencoders start at random and from PCA, and the better one by validation is
kept: one that starts as PCA hardly leaves it, and one that starts at random needs more rounds.
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.utils import skip_init

from cubelib.data.vectors import blocks
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation.baselines import Baseline, Score, Validation, Vectors
from cubelib.evaluation.network_training import ROUNDS, Candidate, train
from cubelib.reshaper import principal_axes
from cubelib.training.losses import LOSSES, Loss

RANKS = (8, 2, 32)
WIDE_RANKS = (32, 128)  # between two spaces, where all must be learned and not just a change
LEARNING_RATES = (3e-4, 1e-4)
ADAPTER_RATES = (3e-3, 1e-3)
AUTOENCODER_RATES = (1e-3,)
AUTOENCODER_BATCH = 64
STARTS = ("random", "pca")
HIDDEN_INPUT = 0.36  # size of a number that a hidden layer sees: 10 / √768, where learning is quick and stable
NEARLY_LINEAR = 0.025  # size of what an autoencoder's hidden units first see: there GELU is nearly linear


class Trained(Baseline):
    """A baseline whose network is trained by `train`; one candidate for each combination of choices.

    Attributes:
        choice: the combination kept, name → value.
        validation_score: of the network kept; −∞ without validation items.
    """

    def __init__(self, loss: str | Loss, choices: dict[str, tuple[Any, ...]], seed: int, **training: Any) -> None:
        if isinstance(loss, str) and loss not in LOSSES:
            raise ConfigError(
                f"{self.name}: loss {loss!r} is not known. Use one of {', '.join(LOSSES)}, or a function."
            )
        for name, values in choices.items():
            if name != "start" and not (values and min(values) > 0):
                raise ConfigError(f"{self.name}: choices are numbers above 0, at least one of each; got {choices}.")
        self.loss = LOSSES[loss] if isinstance(loss, str) else loss
        self._choices, self.seed, self._training = choices, seed, training

    @abstractmethod
    def _network(
        self, input: Vectors, target_dim: int, choice: dict[str, Any], generator: torch.Generator
    ) -> nn.Module: ...

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        choices = [dict(zip(self._choices, values, strict=True)) for values in product(*self._choices.values())]
        candidates = []
        for choice in choices:
            generator = torch.Generator().manual_seed(self.seed)
            network = self._network(input, target.shape[1], choice, generator)
            candidates.append(Candidate(network, choice["learning_rate"]))
        best = train(candidates, input, target, validation, score, loss=self.loss, seed=self.seed, **self._training)
        self.network, self.validation_score = best.network, best.score
        self.choice = choices[candidates.index(best)]
        self.parameter_count = sum(parameter.numel() for parameter in self.network.parameters())

    def _predict(self, input: Tensor) -> Tensor:
        output: Tensor = self.network(input.float())
        return output.to(input.dtype)

    @property
    def hidden_layers(self) -> list[HiddenLayer]:
        """The hidden layers of the fitted network."""
        return [layer for layer in self.network.modules() if isinstance(layer, HiddenLayer)]

    def damaged(self, share: float, seed: int = 0) -> Callable[[Tensor], Tensor]:
        """Returns `predict` with a share of the units of each hidden layer dead: they pass on zero.

        With the same seed a larger share kills the same units and more.

        Raises:
            ConfigError: a share outside 0 … 1, or a network without hidden units.
            DataError: before `fit`.
        """
        if not 0 <= share <= 1:
            raise ConfigError(f"{self.name}: a share of dead units is 0 … 1; got {share}.")
        if self.seconds is None:
            raise DataError(f"{self.name}: there is nothing to damage yet. Call fit(input, target) first.")
        damaged, generator = copy.copy(self), torch.Generator().manual_seed(seed)
        damaged.network = copy.deepcopy(self.network)
        if not self.hidden_layers:
            raise ConfigError(f"{self.name}: there are no hidden units to damage.")
        for layer in damaged.hidden_layers:
            dead = torch.randperm(layer.hidden, generator=generator)[: round(share * layer.hidden)]
            layer.out.weight.data[:, dead] = 0.0
        return damaged.predict


class LowRankAdapter(Trained):
    """z = e + B A e: the input, moved within a few directions. What embedding-adapter tools ship.

    A is `(rank, dim)`, random at the start; B is `(target_dim, rank)`, zero, so that the untrained adapter is no model.

    Args:
        ranks: to choose from.
        residual: add the input. Between two widths that cannot be: z = B A e, and B is random at the start.
        loss: a name in `cubelib.training.losses.LOSSES`, or a function of (output, target).
        learning_rates: to choose from.
        seed: of the first weights and the order of the pairs.

    Source: Hu et al., LoRA: low-rank adaptation of large language models, 2021, eq. 3 (on the identity); Izenman 1975.

    Example:
        >>> x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
        >>> LowRankAdapter(ranks=(2,)).fit(x, x.roll(1, 1)).parameter_count
        32
    """

    def __init__(
        self,
        ranks: tuple[int, ...] = RANKS,
        residual: bool = True,
        loss: str | Loss = "contrastive",
        *,
        learning_rates: tuple[float, ...] = ADAPTER_RATES,
        seed: int = 0,
    ) -> None:
        self.name = "low-rank residual adapter" if residual else "low-rank map"
        self.residual = self.same_width = residual
        super().__init__(loss, {"rank": ranks, "learning_rate": learning_rates}, seed)

    def _network(
        self, input: Vectors, target_dim: int, choice: dict[str, Any], generator: torch.Generator
    ) -> nn.Module:
        return Adapter(input.shape[1], choice["rank"], target_dim, self.residual, generator)


class MLP(Trained):
    """One hidden layer of GELU units, as many as a budget of parameters allows.

    hidden = (budget − target numbers) // (input numbers + target numbers + 1)

    Args:
        budget: the most parameters, for example the cube's.
        residual: predict target − input and add it to the input; the last layer starts at zero, so that the untrained
            network is no model.
        loss, learning_rates, seed: as for `LowRankAdapter`.

    Source: Hendrycks, Gimpel, Gaussian error linear units, 2016 (the unit); He et al. 2016 (the residual).

    Example:
        >>> x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
        >>> mlp = MLP(100).fit(x, x.roll(1, 1))
        >>> mlp.network.hidden, mlp.parameter_count                   # (100 − 8) // 17 = 5 units of 17, and 8 biases
        (5, 93)
    """

    def __init__(
        self,
        budget: int,
        residual: bool = False,
        loss: str | Loss = "contrastive",
        *,
        learning_rates: tuple[float, ...] = LEARNING_RATES,
        seed: int = 0,
    ) -> None:
        self.name = "residual MLP" if residual else "MLP"
        self.budget = budget
        self.residual = self.same_width = residual
        super().__init__(loss, {"learning_rate": learning_rates}, seed)

    def _network(
        self, input: Vectors, target_dim: int, choice: dict[str, Any], generator: torch.Generator
    ) -> nn.Module:
        dim = input.shape[1]
        hidden = (self.budget - target_dim) // (dim + target_dim + 1)
        if hidden < 1:
            raise ConfigError(
                f"{self.name}: a hidden unit between {dim} and {target_dim} numbers takes "
                f"{dim + 2 * target_dim + 1:,} parameters, the budget is {self.budget:,}. Give more."
            )
        scale = HIDDEN_INPUT * _unit_scale(input)
        return HiddenLayer(dim, hidden, target_dim, generator, self.residual, scale)


class AutoencoderMLP(Trained):
    """A bottleneck with a hidden layer on each side: dim → hidden → code → hidden → dim.

    With hidden=0 both sides are linear, and no such autoencoder has a smaller squared error than PCA of the same size
    (Baldi, Hornik 1989).

    Args:
        latent_dim: numbers in the code.
        hidden: GELU units in each hidden layer; 0 for none.
        starts: first weights to choose from: "random", and "pca", where the network does nearly what PCA does.
        rounds: of a cycle of training; at least the cube's epochs for a fair comparison.
        weight_decay: of AdamW.
        loss, learning_rates, seed: as for `LowRankAdapter`.

    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006.

    Example:
        >>> x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
        >>> AutoencoderMLP(2, hidden=0).fit(x, x).parameter_count     # 8·2 + 2 and 2·8 + 8
        42
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: int = 512,
        loss: str | Loss = "cosine",
        *,
        starts: tuple[str, ...] = STARTS,
        learning_rates: tuple[float, ...] = AUTOENCODER_RATES,
        rounds: int = ROUNDS,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        kind = "MLP autoencoder" if hidden else "linear autoencoder"
        if latent_dim < 1 or hidden < 0:
            raise ConfigError(
                f"{kind}: takes a code of 1 number or more and 0 or more hidden units; got {latent_dim} and {hidden}."
            )
        if not starts or not set(starts) <= set(STARTS):
            raise ConfigError(f"{kind}: starts are one or both of {', '.join(STARTS)}; got {starts}.")
        self.latent_dim = self.code = latent_dim
        self.hidden = hidden
        self.name = f"{kind}, {latent_dim} numbers"
        # The random start is far behind after a few rounds and may still win, so there are no halvings.
        training = {"batch": AUTOENCODER_BATCH, "rounds": rounds, "weight_decay": weight_decay, "halvings": ()}
        super().__init__(loss, {"start": starts, "learning_rate": learning_rates}, seed, **training)

    def _network(
        self, input: Vectors, target_dim: int, choice: dict[str, Any], generator: torch.Generator
    ) -> nn.Module:
        dim, code, from_pca = input.shape[1], self.code, choice["start"] == "pca"
        if not self.hidden:
            linear = new_linear(dim, code, generator), new_linear(code, target_dim, generator)
            if from_pca:
                _start_linear_as_pca(*linear, input)
            return nn.Sequential(*linear)
        # A random hidden layer needs numbers of about size 1; the PCA start sets the sizes itself.
        scale = 1.0 if from_pca else _unit_scale(input)
        encoder = HiddenLayer(dim, self.hidden, code, generator, scale=scale)
        decoder = HiddenLayer(code, self.hidden, target_dim, generator)
        if from_pca:
            _start_as_pca(encoder, decoder, input, generator)
        return nn.Sequential(encoder, decoder)


class Adapter(nn.Module):
    """e + B A e, or B A e if not residual."""

    def __init__(self, dim: int, rank: int, target_dim: int, residual: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.residual = residual
        self.down = nn.Parameter(torch.randn(rank, dim, generator=generator) / dim**0.5)
        up = torch.zeros(target_dim, rank)
        if not residual:
            up = torch.randn(target_dim, rank, generator=generator) / rank**0.5
        self.up = nn.Parameter(up)

    def forward(self, vectors: Tensor) -> Tensor:
        """`(batch, dim)` → `(batch, target_dim)`."""
        change = vectors @ self.down.T @ self.up.T
        return vectors + change if self.residual else change


class HiddenLayer(nn.Module):
    """A hidden layer of GELU units between two linear ones."""

    def __init__(
        self,
        dim: int,
        hidden: int,
        output_dim: int,
        generator: torch.Generator,
        residual: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.hidden, self.residual, self.scale = hidden, residual, scale
        self.into, self.out = new_linear(dim, hidden, generator), new_linear(hidden, output_dim, generator)
        if residual:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """`(batch, dim)` → `(batch, output_dim)`."""
        output: Tensor = self.out(gelu(self.into(vectors * self.scale)))
        return vectors + output if self.residual else output


def new_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer that begins as torch's own would, with numbers of a generator."""
    layer: nn.Linear = skip_init(nn.Linear, inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    nn.init.uniform_(layer.bias, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


def _unit_scale(input: Vectors) -> float:
    """The factor that gives the inputs' numbers a mean square of 1."""
    square = sum(float(block.double().square().sum()) for block in blocks(input)) / len(input) / input.shape[1]
    return 1 / math.sqrt(max(square, 1e-12))


@torch.no_grad()
def _start_linear_as_pca(encoder: nn.Linear, decoder: nn.Linear, input: Vectors) -> None:
    mean, axes = (part.float() for part in principal_axes(input))
    passed = min(decoder.in_features, len(axes))
    for layer in (encoder, decoder):
        layer.weight.zero_()
    encoder.weight[:passed] = axes[:passed]
    encoder.bias.copy_(-encoder.weight @ mean)
    decoder.weight[:, :passed] = axes[:passed].T
    decoder.bias.copy_(mean)


@torch.no_grad()
def _start_as_pca(encoder: HiddenLayer, decoder: HiddenLayer, input: Vectors, generator: torch.Generator) -> None:
    """Makes two hidden layers do nearly what PCA does, spread evenly over all hidden units.

    For small numbers GELU is nearly x/2, so two layers of it with orthonormal weights undo each other.
    """
    mean, axes = (part.float() for part in principal_axes(input))
    hidden, code = encoder.hidden, decoder.into.in_features
    spread = sum(float((block.float() - mean).square().sum()) for block in blocks(input)) / len(input)
    gain = NEARLY_LINEAR * hidden**0.5 / max(spread, 1e-12) ** 0.5
    kept = min(hidden, len(mean))
    passed = min(kept, code)
    turn, back = (nn.init.orthogonal_(torch.empty(hidden, size), generator=generator) for size in (kept, passed))
    encoder.into.weight.copy_(gain * turn @ axes[:kept])
    encoder.into.bias.copy_(-encoder.into.weight @ mean)
    encoder.out.weight.zero_()  # the rest of the code is silent at first
    encoder.out.weight[:passed] = 2 * turn[:, :passed].T
    decoder.into.weight[:, :passed] = back
    decoder.out.weight.copy_(2 / gain * axes[:passed].T @ back.T)
    nn.init.zeros_(encoder.out.bias)
    nn.init.zeros_(decoder.into.bias)
    decoder.out.bias.copy_(mean)
