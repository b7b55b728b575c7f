"""What a report concludes: which model beats which, what training changed, and whether it can help at all.

Every sentence follows from the results in the report and nothing else.

Taught in notebook 06.
"""

from __future__ import annotations

from typing import Any

from cubelib.data.text import counted
from cubelib.evaluation.table import BEFORE, CUBE, LABELS, LEAST_UNITS, NOT_DIFFERENT, TaskReport
from cubelib.evaluation.text import ROUNDING, signed, signed_interval
from cubelib.metrics import bootstrap_mean

NEAR_ONE = 0.95  # the primary metric from which there is little left to gain
NO_USE = 0.001  # a difference in cosine or MRR that nobody would notice, however significant it is
SHOWN_DAMAGE = 0.05  # the share of dead cells in the sentence
ORDER = ("loses to", NOT_DIFFERENT, "beats")


def sentences(report: TaskReport) -> list[str]:
    """Everything that a report concludes."""
    enough = report.units >= LEAST_UNITS
    texts = [*report.left_out, *_verdicts(report)] if enough else [_too_few(report), *report.left_out]
    texts.append(_training(report))
    if report.changed:
        texts += [_cosine(report), _on_training_items(report)]
    if enough:
        texts.append(_can_training_help(report))
    if enough and report.changed:
        texts.append(_power(report))
    texts += [_target(report), _chance(report), *curve_sentences(report.curves)]
    texts += [f"Note on the data: {note}" for note in report.split.notes]
    return [text for text in texts if text]  # some have nothing to say


def _too_few(report: TaskReport) -> str:
    tests = counted(len(report.groups), "test item")
    if report.units < len(report.groups):
        tests += f" in {counted(report.units, 'group')} of copies"
    return f"Only {tests}: too few for reliable intervals, so no comparison is reported."


def _verdicts(report: TaskReport) -> list[str]:
    """One for each baseline, those that beat the cube first."""
    label, ordered = LABELS[report.primary_metric], []
    for row in report.rows[1:]:
        test, verdict = report.paired(row.model), report.verdict(row.model)
        model = f"the {BEFORE}" if row.model == BEFORE else row.model
        p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
        text = f"The cube {verdict} {model}: {label} {signed_interval(test.difference)}, {p}"
        if verdict != NOT_DIFFERENT and abs(test.difference.mean) < NO_USE:
            text += ", a difference too small to be of use"
        if verdict == "beats" and row.model != report.before and report.changed:
            lead = report.paired(row.model, model=report.before).difference.mean
            text += f" (before training {signed(lead)})"
        ordered.append((ORDER.index(verdict), test.difference.mean, f"{text}."))
    return [text for _, _, text in sorted(ordered)]


def _training(report: TaskReport) -> str:
    label, before, after = LABELS[report.primary_metric], report.value(report.before), report.value(CUBE)
    if report.changed:
        text = f"Before training the {label} was {before:.4f}, after training it is {after:.4f}."
    else:
        trained = report.provenance.get("epochs")
        why = "Nothing was learned: no epoch was better on the validation items" if trained else "It was not trained"
        text = f"{why}, so the cube is what it was before training: the {label} is {after:.4f}."
    if report.before not in (BEFORE, CUBE):
        text += f" The untrained cube gives the same outputs as {report.before}, so it has no row of its own."
    return text


def _cosine(report: TaskReport) -> str:
    """What became of the cosine if another metric decides."""
    change = report.value(CUBE, "cosine_similarity") - report.value(report.before, "cosine_similarity")
    if report.primary_metric == "cosine_similarity" or abs(change) < NO_USE:
        return ""
    moved = "rose" if change > 0 else "fell"
    return (
        f"Meanwhile the cosine {moved} by {abs(change):.4f}: being nearer to the answer and finding it are two things."
    )


def _on_training_items(report: TaskReport) -> str:
    """How the cube does on what it has seen: much better than on test items is overfitting."""
    if not report.training:
        return ""
    before, after = report.training["before"].double(), report.training["after"].double()
    gain, test_gain = bootstrap_mean(after - before), report.difference(report.before)
    text = (
        f"On {counted(len(after), 'training item')} the {LABELS[report.primary_metric]} went from {before.mean():.4f} "
        f"to {after.mean():.4f}: {signed_interval(gain)}, against {signed_interval(test_gain)} on test items."
    )
    if report.units >= LEAST_UNITS and gain.low > test_gain.high:
        text += " The cube has learned its training items more than the task (overfitting)."
    return text


def _can_training_help(report: TaskReport) -> str:
    """Is there anything to learn from these data? Only if some model of the table has learned it."""
    before, gain = report.value(report.before), report.difference(report.before)
    if report.verdict(report.before) == "beats":
        little = ", though by too little to be of use" if gain.mean < NO_USE else ""
        return f"Training helped{little}: {signed_interval(gain)}."
    if before >= NEAR_ONE:
        return f"Training could hardly help: at {before:.4f} before training, no more than {1 - before:.4f} is missing."
    others = [row.model for row in report.rows if row.model not in (CUBE, report.before)]
    best = max(others, key=report.value, default=None)
    if best is None or report.value(best) < before / 2:  # so far below, it does not show what can be learned
        return ""
    test = report.paired(report.before, model=best)
    # The best of many models is lucky more often than one, hence Bonferroni's correction.
    lead = signed_interval(test.difference)
    if test.difference.mean > 0 and test.p_value * len(others) < 0.05:
        return f"More is possible here: {best} is {lead} above the cube before training, and the cube is not."
    return (
        f"Nothing in this table is significantly better than the cube before training (the best other model is {best}: "
        f"{lead}). Either that is as good as it gets, or {counted(len(report.split.train), 'training item')} are too "
        "few or too mixed to learn more."
    )


def _power(report: TaskReport) -> str:
    """How small a change so few items could show."""
    gain = report.difference(report.before)
    reach = (gain.high - gain.low) / 2
    if report.verdict(report.before) != NOT_DIFFERENT or reach < ROUNDING:
        return ""
    tests = counted(len(report.groups), "test item")
    return (
        f"With {tests} a change by training can be seen from about {signed(reach).removeprefix('+')} up; with four "
        "times as many, from half of that."
    )


def _target(report: TaskReport) -> str:
    cosines, mean = report.row(CUBE).per_item["cosine_similarity"], report.value(CUBE, "cosine_similarity")
    reached = "is reached" if mean >= report.target else "is not reached"
    share = (cosines >= report.target).double().mean()
    return (
        f"The target cosine of {report.target:.2f} {reached}: {mean:.4f} on average, {share:.0%} of the items at or "
        "above it."
    )


def _chance(report: TaskReport) -> str:
    """How hard the search for answers is; empty for a report without one."""
    if report.bank_size is None:
        return ""
    known, chance = f"{report.bank_size:,}", f"{report.chance:.2%}"
    return f"Answers are looked for among {known} known ones; a random one is right {chance} of the time."


def curve_sentences(curves: dict[str, Any]) -> list[str]:
    """What the curves show, also if the cube fails."""
    makers = {"rate": _rate, "damage": _damage}
    return [make(curves[name]) for name, make in makers.items() if name in curves]


def _rate(rate: dict[str, Any]) -> str:
    sizes, cube, pca = rate["latent_dims"], rate["models"][CUBE], rate["models"]["PCA"]
    leads = [left - right for left, right in zip(cube, pca, strict=True)]
    least, most = min(leads), max(leads)
    if max(-least, most) < NO_USE:
        comparison = f"at no size do it and PCA differ by {NO_USE:g}"
    elif most < NO_USE:
        comparison = f"PCA of the same size is ahead, by up to {-least:.4f} (at {sizes[leads.index(least)]:,} numbers)"
    elif -least < NO_USE:
        comparison = (
            f"it is ahead of PCA of the same size, by up to {most:.4f} (at {sizes[leads.index(most)]:,} numbers)"
        )
    else:
        comparison = f"against PCA of the same size it is between {signed(least)} and {signed(most)}"
    points = ", ".join(f"{value:.3f} with {size:,}" for size, value in zip(sizes, cube, strict=True))
    items = counted(rate["items"], "test item")
    return f"The trained cube's bottleneck, cut afterwards, gives {items} a cosine of {points} numbers; {comparison}."


def _damage(damage: dict[str, Any]) -> str:
    index, texts = damage["shares"].index(SHOWN_DAMAGE), []
    for name, model in damage["models"].items():
        whole, mean, deviation = model["mean"][0], model["mean"][index], model["deviation"][index]
        parts, title = ("cells", "the cube") if name == CUBE else ("hidden units", name)
        text = (
            f"With {SHOWN_DAMAGE:.0%} of its {parts} dead the cosine of {title} goes from {whole:.3f} to {mean:.3f} ± "
            f"{deviation:.3f}"
        )
        if name == CUBE:
            draws = counted(damage["draws"], "draw")
            text += f" (± between {draws} of the dead; {damage['items']:,} test items)"
        elif max(abs(value - whole) for value in model["mean"]) < 1e-6:
            text += ": its hidden units have learned nothing that could be lost"
        texts.append(f"{text}.")
    return " ".join(texts)
