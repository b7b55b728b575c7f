"""Baselines that learn by gradient descent: they learn what they can, keep the best weights, and repeat themselves."""

import re

import pytest
import torch

from cubelib import EmbeddingMetrics
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation import network_training as loop
from cubelib.evaluation.baselines import PCA
from cubelib.evaluation.networks import MLP, STARTS, AutoencoderMLP, LowRankAdapter

cosine = EmbeddingMetrics.calculate_cosine_similarity


def vectors(count: int, dim: int = 10, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dim, generator=generator) * torch.linspace(0.5, 1.5, dim)


def mapped(function, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    input = vectors(count, seed=seed)
    return input, function(input)


def low_rank(input: torch.Tensor) -> torch.Tensor:
    directions = torch.randn(2, 10, 2, generator=torch.Generator().manual_seed(9))
    return input + input @ directions[0] @ directions[1].T


def test_an_adapter_learns_a_change_within_few_directions_and_takes_the_rank_it_needs():
    train, validation, test = (mapped(low_rank, count, seed) for seed, count in enumerate((400, 60, 60)))
    adapter = LowRankAdapter((1, 3), loss="squared_distance", learning_rates=(0.01,)).fit(*train, validation)
    assert adapter.choice == {"rank": 3, "learning_rate": 0.01} and adapter.parameter_count == 60
    assert cosine(adapter.predict(test[0]), test[1]) > 0.99 > 0.9 > cosine(*test)
    assert adapter.validation_score == pytest.approx(cosine(adapter.predict(validation[0]), validation[1]))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("budget", "hidden"), [(31, 1), (51, 1), (52, 2), (1000, 47)])
def test_the_budget_is_used_as_far_as_it_goes(budget, hidden, residual):
    mlp = MLP(budget, residual).fit(vectors(5), vectors(5, seed=1))
    assert mlp.network.hidden == hidden
    assert mlp.parameter_count == 21 * hidden + 10 <= budget < mlp.parameter_count + 21


@pytest.mark.parametrize(
    "make", [lambda: LowRankAdapter(), lambda: MLP(500, residual=True)], ids=["adapter", "residual mlp"]
)
def test_where_nothing_is_to_be_gained_a_residual_model_stays_no_model(make):
    """Inputs are the answers already: the weights of the start are the best, and come back."""
    model = make().fit(vectors(80), vectors(80, seed=5), (vectors(30, seed=1), vectors(30, seed=1)))
    assert torch.equal(model.predict(vectors(9, seed=2)), vectors(9, seed=2))
    assert model.validation_score == pytest.approx(1.0)


def test_training_stops_when_the_score_no_longer_rises_and_the_best_weights_come_back():
    scores = iter([0.1, 0.2, 0.5, 0.3, 0.4, 0.45, 0.2, 0.1, 0.1, 0.1, 0.9])
    given, outputs = [], []

    def score(output: torch.Tensor, target: torch.Tensor) -> float:
        outputs.append(output.clone())
        given.append(next(scores))
        return given[-1]

    validation = vectors(20, seed=1), vectors(20, seed=2)
    model = MLP(200, learning_rates=(1e-2,)).fit(vectors(50), vectors(50, seed=3), validation, score)
    assert given[-1] == 0.1 and len(given) == 3 + loop.PATIENCE
    assert model.validation_score == 0.5
    assert torch.equal(model.predict(validation[0]), outputs[2]) and not torch.equal(outputs[2], outputs[-1])


def test_steps_between_looks_are_bounded(monkeypatch):
    """A million pairs are not read through before the first look at the validation score."""
    monkeypatch.setattr(loop, "STEPS", (1, 3))
    monkeypatch.setattr(loop, "CYCLES", 1)
    seen = []

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append(target[:, 0].long().tolist())
        return output.square().mean()

    numbered = torch.arange(2000.0)[:, None].repeat(1, 4)
    MLP(40, loss=loss, learning_rates=(1e-9,)).fit(
        numbered, numbered, (numbered[:9], numbered[:9]), lambda *_: len(seen)
    )
    assert [len(batch) for batch in seen[:12]] == [128] * 12
    assert len({item for batch in seen[:12] for item in batch}) == 12 * 128  # nobody twice before everybody once


def test_the_better_half_goes_on_and_those_left_behind_may_still_win(monkeypatch):
    """Four networks whose scores are told in advance; who is looked at when, and who is kept."""
    told = {
        0: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        1: [0.1, 0.9, 0.1, 0.1, 0.1, 0.1],  # the best of all in round 1; later others are better than it is then
        2: [0.1, 0.1, 0.2, 0.9, 0.9, 0.9],  # would have been
        3: [0.1, 0.1, 0.1, 0.9, 0.9, 0.9],
    }
    data, looks = vectors(20), []
    candidates = [loop.Candidate(torch.nn.Linear(10, 10), 1e-4) for _ in told]

    def validate(candidate, validation, score):
        number = candidates.index(candidate)
        looks.append(number)
        current = told[number][looks.count(number) - 1]
        candidate.score = current if looks.count(number) == 1 else max(candidate.score, current)
        candidate._best_weights = candidate.network.state_dict()

    monkeypatch.setattr(loop.Candidate, "validate", validate)
    options = {"loss": lambda output, target: (output - target).square().mean(), "seed": 0, "rounds": 5}
    assert loop.train(candidates, data, data, (data, data), cosine, **options) is candidates[1]
    assert [looks.count(number) for number in told] == [5, 6, 3, 3]  # first look, then 2 rounds, 4 rounds, all


def test_a_candidate_whose_loss_breaks_down_is_out_and_only_if_all_do_is_it_an_error():
    data = vectors(100)
    with torch.no_grad():
        broken, whole = (loop.Candidate(torch.nn.Linear(10, 10), 1e-3) for _ in range(2))
        broken.network.weight[0, 0] = torch.nan

    def closeness(output: torch.Tensor, target: torch.Tensor) -> float:
        return 1.0 if output.isnan().any() else 0.0  # even where the score knows nothing of it

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output - target).square().mean()

    common = {"loss": loss, "seed": 0}
    assert loop.train([broken, whole], data, data, (data, data), closeness, **common) is whole
    with pytest.raises(FloatingPointError, match=r"the loss became nan with a learning rate of 0\.001"):
        loop.train([broken], data, data, (data, data), closeness, **common)


def test_an_autoencoder_can_start_close_to_pca_whatever_its_layers_are():
    data = vectors(300) * 7 + 3
    for code, hidden in ((4, 30), (4, 6), (7, 5), (10, 40), (4, 0), (10, 0)):
        model = AutoencoderMLP(code, hidden)
        pca = PCA(min(code, hidden or code)).fit(data, data)
        with torch.no_grad():
            started = model._network(data, 10, {"start": "pca"}, torch.Generator())(data)
        apart = (started - pca.predict(data)).norm() / (data - data.mean(0)).norm()
        assert apart < (0.15 if hidden else 1e-5), (code, hidden, apart)


def test_both_starts_are_trained_and_the_better_is_kept():
    data = vectors(600) @ torch.randn(10, 10, generator=torch.Generator().manual_seed(4))
    train, validation = data[:500], data[500:]
    alone = {
        start: AutoencoderMLP(3, 20, starts=(start,)).fit(train, train, (validation, validation)).validation_score
        for start in STARTS
    }
    both = AutoencoderMLP(3, 20).fit(train, train, (validation, validation))
    assert both.validation_score == max(alone.values()) and both.choice["start"] == max(alone, key=alone.get)
    assert min(alone.values()) < max(alone.values())


def test_the_mlp_autoencoder_is_awake():
    """On a bent surface, where PCA of the same size is behind, it reaches what a plain PyTorch loop reaches: 0.984."""
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(2400, 2, generator=generator) * 2 - 1
    bends = (4 * place @ torch.randn(2, 64, generator=generator)).tanh()
    surface = torch.nn.functional.normalize(bends @ torch.randn(64, 48, generator=generator), dim=1)
    train, validation, test = surface[:2000], surface[2000:2200], surface[2200:]
    model = AutoencoderMLP(2, 128).fit(train, train, (validation, validation))
    assert cosine(model.predict(test), test) > 0.982 > cosine(PCA(2).fit(train, train).predict(test), test) + 0.01


def test_a_candidate_that_still_rises_at_the_end_of_a_cycle_goes_on(monkeypatch):
    """Slow learning: one step a round is not enough for a cycle of four, and several cycles are."""
    monkeypatch.setattr(loop, "STEPS", (1, 1))
    data = vectors(300)

    def trained(cycles: int) -> tuple[float, int]:
        looks = []
        monkeypatch.setattr(loop, "CYCLES", cycles)

        def score(output: torch.Tensor, target: torch.Tensor) -> float:
            looks.append(cosine(output, target))
            return looks[-1]

        model = AutoencoderMLP(5, 20, starts=("random",), learning_rates=(0.02,), rounds=4)
        return model.fit(data, data, (data, data), score).validation_score, len(looks) - 1

    (short, few), (long, many) = trained(1), trained(3)
    assert few == 4 < many <= 12 and long > short + 0.01


def test_seeds_decide_and_the_world_s_randomness_is_left_alone():
    train, validation = mapped(low_rank, 100, 0), mapped(low_rank, 30, 1)
    outputs = []
    for seed in (0, 0, 1):
        torch.rand(1)  # the world's generator stands elsewhere each time
        state = torch.get_rng_state()
        outputs.append(MLP(300, seed=seed).fit(*train, validation).predict(train[0]))
        assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize(
    "make", [lambda: MLP(500), lambda: MLP(500, residual=True), lambda: AutoencoderMLP(3, hidden=20)]
)
def test_dead_units_are_silent_nested_and_leave_the_model_as_it_was(make):
    data, test = vectors(100), vectors(20, seed=1)
    model = make().fit(data, data.roll(1, 1))
    whole = model.predict(test)
    assert torch.equal(model.damaged(0.0)(test), whole)
    some, more = model.damaged(0.3), model.damaged(0.6)
    dead = [
        {
            (name, unit)
            for name, weight in part.__self__.network.state_dict().items()
            if name.endswith("out.weight")
            for unit in (weight == 0).all(0).nonzero()[:, 0].tolist()
        }
        for part in (some, more)
    ]
    hidden = sum(weight.shape[1] for name, weight in model.network.state_dict().items() if name.endswith("out.weight"))
    assert dead[0] < dead[1] and [len(units) / hidden for units in dead] == pytest.approx([0.3, 0.6], abs=0.03)
    assert not torch.equal(some(test), whole)
    assert not torch.equal(some(test), model.damaged(0.3, seed=1)(test))
    silent = model.damaged(1.0)(test) - (test if getattr(model, "residual", False) else 0)
    torch.testing.assert_close(silent, silent[:1].expand(20, -1))
    assert torch.equal(model.predict(test), whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LowRankAdapter(()), "choices are numbers above 0, at least one of each"),
        (lambda: MLP(500, learning_rates=(-1.0,)), "choices are numbers above 0"),
        (lambda: MLP(500, loss="cosinus"), "MLP: loss 'cosinus' is not known. Use one of cosine, squared_distance"),
        (lambda: MLP(30).fit(vectors(5), vectors(5)), "numbers takes 31 parameters, the budget is 30"),
        (lambda: AutoencoderMLP(0), "takes a code of 1 number or more and 0 or more hidden units; got 0 and 512"),
        (lambda: AutoencoderMLP(3, 0).fit(vectors(5), vectors(5)).damaged(0.5), "there are no hidden units to damage"),
        (lambda: MLP(500).damaged(0.5), "there is nothing to damage yet"),
        (lambda: MLP(500).fit(vectors(5), vectors(5)).damaged(1.5), "a share of dead units is 0 … 1; got 1.5"),
    ],
)
def test_settings_that_cannot_work_are_named(make, message):
    with pytest.raises((ConfigError, DataError), match=re.escape(message)):
        make()
