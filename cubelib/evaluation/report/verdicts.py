"""What a report says in sentences: who beats whom, what training changed, and whether it can help at all.

Every sentence follows from the rows of the report and nothing else.

Taught in notebook 06.
"""

from __future__ import annotations

from cubelib.data.text import counted
from cubelib.evaluation.report.curves import curve_sentences
from cubelib.evaluation.report.figures import BEFORE, CUBE, LABELS, LEAST_UNITS, NO_USE
from cubelib.evaluation.report.markdown import ROUNDING, signed, signed_interval
from cubelib.evaluation.report.table import TaskReport
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.intervals import PairedTest

NEAR_ONE = 0.95  # the primary metric from which there is little left to gain


def sentences(report: TaskReport) -> list[str]:
    """All that is to be said about a report."""
    told = report.units >= LEAST_UNITS
    return [
        *([] if told else [_too_few(report)]),
        *report.left_out,
        *(_verdicts(report) if told else []),
        _training(report),
        *(_cosine_too(report) if report.changed else []),
        *(_on_training_items(report, told) if report.changed else []),
        *(_can_training_help(report) if told else []),
        *(_what_can_be_seen(report) if told and report.changed else []),
        _target(report),
        *_chance(report),
        *curve_sentences(report.curves),
    ]


def _too_few(report: TaskReport) -> str:
    copies = f" in {counted(report.units, 'group')} of copies" if report.units < len(report.groups) else ""
    return (
        f"Only {counted(len(report.groups), 'test item')}{copies}: too few for intervals to be trusted or models to be "
        "told apart."
    )


def _verdicts(report: TaskReport) -> list[str]:
    """One for each rival: what beats the cube first, what it beats last."""
    figure = LABELS[report.primary_metric]
    found = []
    for rival in (row.model for row in report.rows if row.model != CUBE):
        test, verdict = report.paired(rival), report.verdict(rival)
        name = f"the {rival}" if rival == BEFORE else rival
        says = f"The cube {verdict} {name}: {figure} {signed_interval(test.difference)}, {_p_value(test)}"
        if verdict != "cannot be told from" and abs(test.difference.mean) < NO_USE:
            says += ", a difference too small to be of use"
        if verdict == "beats" and rival != report.before and report.changed:
            says += f" (before training {signed(report.paired(rival, model=report.before).difference.mean)})"
        order = ("loses to", "cannot be told from", "beats").index(verdict)
        found.append((order, test.difference.mean, f"{says}."))
    return [says for *_, says in sorted(found)]


def _p_value(test: PairedTest) -> str:
    return "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"


def _training(report: TaskReport) -> str:
    figure = LABELS[report.primary_metric]
    before, after = report.value(report.before), report.value(CUBE)
    says = f"Before training the {figure} was {before:.4f}, after training it is {after:.4f}."
    if not report.changed:
        why = "no epoch was better on the validation items" if report.provenance.get("epochs") else "it was not trained"
        says = f"The cube is what it was before training ({why}): the {figure} is {after:.4f}."
    if report.before not in (BEFORE, CUBE):
        says += f" The untrained cube gives the same outputs as {report.before}, so it has no row of its own."
    return says


def _cosine_too(report: TaskReport) -> list[str]:
    """Where another figure decides, what became of the cosine."""
    if report.primary_metric == "cosine_similarity":
        return []
    change = report.value(CUBE, "cosine_similarity") - report.value(report.before, "cosine_similarity")
    if abs(change) < NO_USE:
        return []
    moved = "rose" if change > 0 else "fell"
    return [
        f"Meanwhile the cosine {moved} by {abs(change):.4f}: to lie nearer to the answer and to find it among others "
        "are two things."
    ]


def _on_training_items(report: TaskReport, told: bool) -> list[str]:
    """How the cube does on what it has seen: much better than on test items is overfitting."""
    if not report.training:
        return []
    before, after = report.training["before"].double(), report.training["after"].double()
    gain = EmbeddingMetrics.bootstrap_mean(after - before)
    says = (
        f"On {counted(len(after), 'training item')} the {LABELS[report.primary_metric]} went from {before.mean():.4f} to "
        f"{after.mean():.4f}: {signed_interval(gain)}, against {signed_interval(report.difference(report.before))} on "
        "test items."
    )
    if told and gain.low > report.difference(report.before).high:
        says += " The cube has learned its training items more than the task (overfitting)."
    return [says]


def _can_training_help(report: TaskReport) -> list[str]:
    """Is there anything to learn from these data? Only where some model of the table has found it."""
    rivals = [row.model for row in report.rows if row.model not in (CUBE, report.before)]
    start, items = report.value(report.before), counted(len(report.split.train), "training item")
    if report.verdict(report.before) == "beats":
        gain = report.difference(report.before)
        little = ", though by too little to be of use" if gain.mean < NO_USE else ""
        return [f"Training helped{little}: {signed_interval(gain)}."]
    if start >= NEAR_ONE:
        return [f"Training could hardly help: at {start:.4f} before training, no more than {1 - start:.4f} is missing."]
    best = max(rivals, key=report.value, default=report.before)
    if best == report.before or report.value(best) < start / 2:  # so far below, it does not tell what can be learned
        return []
    test = report.paired(report.before, model=best)
    lead = signed_interval(test.difference)
    if test.difference.mean > 0 and test.p_value * len(rivals) < 0.05:  # the best of many is lucky more often than one
        return [f"More is possible here: {best} is {lead} above the cube before training, and the cube is not."]
    return [
        f"Nothing in this table is surely better than the cube before training (the best other model is "
        f"{best}: {lead}). Either that is as good as it gets, or {items} are too few, or too mixed, to learn "
        "more from."
    ]


def _what_can_be_seen(report: TaskReport) -> list[str]:
    gain = report.difference(report.before)
    half = (gain.high - gain.low) / 2
    if report.verdict(report.before) != "cannot be told from" or half < ROUNDING:
        return []
    reach = signed(half).removeprefix("+")
    return [
        f"With {counted(len(report.groups), 'test item')} a change by training can be seen from about {reach} up; with "
        "four times as many, from half of that."
    ]


def _target(report: TaskReport) -> str:
    cosine = report.value(CUBE, "cosine_similarity")
    reached = "is reached" if cosine >= report.target else "is not reached"
    share = (report.row(CUBE).per_item["cosine_similarity"] >= report.target).double().mean()
    return (
        f"The target cosine of {report.target:.2f} {reached}: {cosine:.4f} on average, {share:.0%} of the items at or "
        "above it."
    )


def _chance(report: TaskReport) -> list[str]:
    if report.bank_size is None:
        return []
    return [
        f"Answers are looked for among {report.bank_size:,} known ones; picking one at random finds a right one "
        f"{report.chance:.2%} of the time."
    ]
