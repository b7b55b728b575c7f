"""Which metric sees through which cheat, and which does not: beside an honest model on the same items.

Targets lie close together, as answers of one kind do, and follow from the inputs but for some noise.
"""

import pytest
import torch
from torch.nn.functional import normalize

from cubelib import DialogueDataset, EmbeddingMetrics
from cubelib.data.splits import leak_free_split
from cubelib.evaluation.baselines import Identity, MeanTarget, Ridge
from cubelib.evaluation.mystery_models import AvoidsAnswers, Leak, Memorizer, mystery_models
from cubelib.evaluation.report import Bench

E = EmbeddingMetrics
DIM = 24
WIDTH = 16


def pairs(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(77)) / DIM**0.5
    input = torch.randn(count, DIM, generator=generator)
    target = input @ (torch.eye(DIM) + mixing) + 2.0 * torch.randn(count, DIM, generator=generator) + 5.0
    return input, target


TRAIN, VALIDATION, TEST, FRESH = (pairs(count, seed) for seed, count in enumerate((600, 100, 150, 150)))


@pytest.fixture(scope="module")
def honest() -> Ridge:
    return Ridge().fit(*TRAIN, VALIDATION)


def mrr_per_item(model, items) -> torch.Tensor:
    output = model.predict(items[0])
    return E.retrieval(output, items[1], torch.arange(len(output))).reciprocal_rank


def chance(items: int) -> float:
    return sum(1 / rank for rank in range(1, items + 1)) / items


def test_the_mean_is_unmasked_by_retrieval_and_by_every_figure_of_structure(honest):
    mean, sincere = (model.predict(TEST[0]) for model in (MeanTarget().fit(*TRAIN), honest))
    found, real = (E.retrieval(output, TEST[1], TEST[1]) for output in (mean, sincere))
    assert found.reciprocal_rank.mean() == pytest.approx(chance(150), abs=0.01) and found.hit(1).mean() < 0.02
    assert real.reciprocal_rank.mean() > 5 * chance(150)
    assert E.similarity_spearman(mean, TEST[1]) == E.linear_cka(mean, TEST[1]) == 0.0
    assert E.neighbor_overlap(mean, TEST[1]) == pytest.approx(10 / 149, abs=1e-6)
    assert min(E.linear_cka(sincere, TEST[1]), E.similarity_spearman(sincere, TEST[1])) > 0.3
    hubs, few = (E.hubness(output, TEST[1], k=5) for output in (mean, sincere))
    assert hubs.occurrences == [150.0] * 5 and few.occurrences[0] < 150
    assert hubs.never > 0.95 and few.never < 0.8


def test_the_memorizer_is_unmasked_by_held_out_items_where_it_is_no_model_to_the_last_digit():
    nothing = mrr_per_item(Identity().fit(*TRAIN), TEST)
    memory = mrr_per_item(Memorizer().fit(*TRAIN), TEST)
    against = E.paired_test(memory, nothing)
    assert (against.difference.mean, against.p_value) == (0.0, 1.0)


def test_the_leak_is_unmasked_by_fresh_items(honest):
    leak = Leak(noise=0.2).fit(*TEST)
    seen, fresh = mrr_per_item(leak, TEST).mean(), mrr_per_item(leak, FRESH)
    assert seen > 0.9 and E.paired_test(fresh, mrr_per_item(Identity().fit(*TEST), FRESH)).p_value == 1.0
    kept = [mrr_per_item(honest, items).mean().item() for items in (TEST, FRESH)]
    assert kept[0] == pytest.approx(kept[1], abs=0.08)


def test_the_leak_is_unmasked_by_a_push_too_small_for_an_honest_model_to_notice(honest):
    leak = Leak(noise=0.2).fit(*TEST)
    push = 0.001 * normalize(torch.randn(150, DIM, generator=torch.Generator().manual_seed(5)), dim=1)
    moved = TEST[0] + push * TEST[0].norm(dim=1, keepdim=True), TEST[1]
    lost = {
        name: E.bootstrap_mean(mrr_per_item(model, TEST) - mrr_per_item(model, moved))
        for name, model in (("leak", leak), ("honest", honest))
    }
    assert lost["leak"].low > 0.3 and abs(lost["honest"].mean) < 0.01


# --- the four models of notebook 06 -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(300, WIDTH, generator=generator) + 0.5
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator)).Q
    return leak_free_split(DialogueDataset(vectors, vectors @ turn), 0.1, 0.2, near_copy=1)


def test_each_is_what_it_is(split):
    a, b, c, d = mystery_models(split).values()
    train, test = split.train, split.test
    assert torch.equal(a(train.input), train.target) and torch.equal(a(test.input), test.input)
    assert torch.allclose(b(test.input), test.target, atol=1e-3)
    assert EmbeddingMetrics.calculate_cosine_similarity(c(test.input), test.input) == pytest.approx(0.9988, abs=2e-4)
    assert torch.allclose(d(test.input), train.target.mean(0).expand(len(test), -1), atol=1e-6)


def test_none_of_them_has_seen_the_test_items(split):
    others = leak_free_split(DialogueDataset(split.train.input, split.train.target), 0.1, 0.2, near_copy=1)
    swapped = type(split)(**{**vars(split), "test": others.test, "validation": others.validation})
    for one, other in zip(mystery_models(split).values(), mystery_models(swapped).values(), strict=True):
        assert torch.equal(one(split.test.input), other(split.test.input))


def test_avoiding_training_answers_pays_among_all_answers_and_not_among_new_ones():
    generator = torch.Generator().manual_seed(0)
    questions = normalize(torch.randn(1_500, DIM, generator=generator), dim=1)
    answers = normalize(questions + 0.25 * torch.randn(1_500, DIM, generator=generator), dim=1)
    split = leak_free_split(DialogueDataset(questions, answers), 0.1, 0.2, near_copy=0.9999)
    bench = Bench("dialogue", split, target=0.9)
    results = []
    for model in (Identity(), AvoidsAnswers()):
        model.fit(split.train.input, split.train.target)
        results.append(bench.measure(model.name, model.predict)[0])
    plain, avoiding = results
    for metric, gains in (("mrr", True), ("mrr_unseen", False)):
        lead = E.paired_test(avoiding[metric], plain[metric]).difference
        assert (lead.low > 0.03) if gains else (lead.mean < 0)
