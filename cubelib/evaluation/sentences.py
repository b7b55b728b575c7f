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

TEXTS = {
    "too few": "Only {tests}{groups}: too few for reliable intervals, so no comparison is reported.",
    "verdict": "The cube {verdict} {model}: {label} {difference}, {p}{small}{before_lead}.",
    "training": "Before training the {label} was {before:.4f}, after training it is {after:.4f}.{twin}",
    "unchanged": "The cube is what it was before training ({why}): the {label} is {after:.4f}.{twin}",
    "cosine": "Meanwhile the cosine {moved} by {change:.4f}: being nearer to the answer and finding it are two things.",
    "on training": "On {items} the {label} went from {before:.4f} to {after:.4f}: {gain}, against {test_gain} on test "
    "items.{overfitting}",
    "helped": "Training helped{little}: {gain}.",
    "near one": "Training could hardly help: at {before:.4f} before training, no more than {missing:.4f} is missing.",
    "more is possible": "More is possible here: {best} is {lead} above the cube before training, and the cube is not.",
    "nothing better": "Nothing in this table is significantly better than the cube before training (the best other "
    "model is {best}: {lead}). Either that is as good as it gets, or {items} are too few or too mixed to learn more.",
    "power": "With {tests} a change by training can be seen from about {reach} up; with four times as many, from half "
    "of that.",
    "target": "The target cosine of {target:.2f} {reached}: {cosine:.4f} on average, {share:.0%} of the items at or "
    "above it.",
    "chance": "Answers are looked for among {bank:,} known ones; a random one is right {chance:.2%} of the time.",
    "rate": "The trained cube's bottleneck, cut afterwards, gives {items} a cosine of {points} numbers; {comparison}.",
    "damage": "With {share:.0%} of its {parts} dead the cosine of {model} goes from {whole:.3f} to {mean:.3f} ± "
    "{deviation:.3f}{remark}.",
}


def sentences(report: TaskReport) -> list[str]:
    """Everything that a report concludes."""
    enough = report.units >= LEAST_UNITS
    texts = [*([] if enough else [_too_few(report)]), *report.left_out]
    if enough:
        texts += _verdicts(report)
    texts.append(_training(report))
    if report.changed:
        texts += _cosine(report) + _on_training_items(report)
    if enough:
        texts += _can_training_help(report)
        if report.changed:
            texts += _power(report)
    texts.append(_target(report))
    if report.bank_size is not None:
        texts.append(TEXTS["chance"].format(bank=report.bank_size, chance=report.chance))
    return texts + curve_sentences(report.curves)


def _too_few(report: TaskReport) -> str:
    groups = ""
    if report.units < len(report.groups):
        groups = f" in {counted(report.units, 'group')} of copies"
    return TEXTS["too few"].format(tests=counted(len(report.groups), "test item"), groups=groups)


def _verdicts(report: TaskReport) -> list[str]:
    """One for each baseline, those that beat the cube first."""
    ordered = []
    for row in report.rows[1:]:
        test, verdict = report.paired(row.model), report.verdict(row.model)
        small = before_lead = ""
        if verdict != NOT_DIFFERENT and abs(test.difference.mean) < NO_USE:
            small = ", a difference too small to be of use"
        if verdict == "beats" and row.model != report.before and report.changed:
            lead = report.paired(row.model, model=report.before).difference.mean
            before_lead = f" (before training {signed(lead)})"
        text = TEXTS["verdict"].format(
            verdict=verdict,
            model=f"the {BEFORE}" if row.model == BEFORE else row.model,
            label=LABELS[report.primary_metric],
            difference=signed_interval(test.difference),
            p="p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}",
            small=small,
            before_lead=before_lead,
        )
        ordered.append((ORDER.index(verdict), test.difference.mean, text))
    return [text for _, _, text in sorted(ordered)]


def _training(report: TaskReport) -> str:
    trained = report.provenance.get("epochs")
    twin = ""
    if report.before not in (BEFORE, CUBE):
        twin = f" The untrained cube gives the same outputs as {report.before}, so it has no row of its own."
    return TEXTS["training" if report.changed else "unchanged"].format(
        label=LABELS[report.primary_metric],
        before=report.value(report.before),
        after=report.value(CUBE),
        why="no epoch was better on the validation items" if trained else "it was not trained",
        twin=twin,
    )


def _cosine(report: TaskReport) -> list[str]:
    """What became of the cosine if another metric decides."""
    change = report.value(CUBE, "cosine_similarity") - report.value(report.before, "cosine_similarity")
    if report.primary_metric == "cosine_similarity" or abs(change) < NO_USE:
        return []
    return [TEXTS["cosine"].format(moved="rose" if change > 0 else "fell", change=abs(change))]


def _on_training_items(report: TaskReport) -> list[str]:
    """How the cube does on what it has seen: much better than on test items is overfitting."""
    if not report.training:
        return []
    before, after = report.training["before"].double(), report.training["after"].double()
    gain, test_gain, overfitting = bootstrap_mean(after - before), report.difference(report.before), ""
    if report.units >= LEAST_UNITS and gain.low > test_gain.high:
        overfitting = " The cube has learned its training items more than the task (overfitting)."
    text = TEXTS["on training"].format(
        items=counted(len(after), "training item"),
        label=LABELS[report.primary_metric],
        before=before.mean(),
        after=after.mean(),
        gain=signed_interval(gain),
        test_gain=signed_interval(test_gain),
        overfitting=overfitting,
    )
    return [text]


def _can_training_help(report: TaskReport) -> list[str]:
    """Is there anything to learn from these data? Only if some model of the table has learned it."""
    before, gain = report.value(report.before), report.difference(report.before)
    if report.verdict(report.before) == "beats":
        little = ", though by too little to be of use" if gain.mean < NO_USE else ""
        return [TEXTS["helped"].format(little=little, gain=signed_interval(gain))]
    if before >= NEAR_ONE:
        return [TEXTS["near one"].format(before=before, missing=1 - before)]
    others = [row.model for row in report.rows if row.model not in (CUBE, report.before)]
    best = max(others, key=report.value, default=None)
    if best is None or report.value(best) < before / 2:  # so far below, it does not show what can be learned
        return []
    test = report.paired(report.before, model=best)
    # The best of many models is lucky more often than one, hence Bonferroni's correction.
    better = test.difference.mean > 0 and test.p_value * len(others) < 0.05
    text = TEXTS["more is possible" if better else "nothing better"]
    items = counted(len(report.split.train), "training item")
    return [text.format(best=best, lead=signed_interval(test.difference), items=items)]


def _power(report: TaskReport) -> list[str]:
    gain = report.difference(report.before)
    reach = (gain.high - gain.low) / 2
    if report.verdict(report.before) != NOT_DIFFERENT or reach < ROUNDING:
        return []
    tests = counted(len(report.groups), "test item")
    return [TEXTS["power"].format(tests=tests, reach=signed(reach).removeprefix("+"))]


def _target(report: TaskReport) -> str:
    cosines, mean = report.row(CUBE).per_item["cosine_similarity"], report.value(CUBE, "cosine_similarity")
    reached = "is reached" if mean >= report.target else "is not reached"
    share = (cosines >= report.target).double().mean()
    return TEXTS["target"].format(target=report.target, reached=reached, cosine=mean, share=share)


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
    return TEXTS["rate"].format(items=counted(rate["items"], "test item"), points=points, comparison=comparison)


def _damage(damage: dict[str, Any]) -> str:
    index, texts = damage["shares"].index(SHOWN_DAMAGE), []
    for name, model in damage["models"].items():
        remark = ""
        if name == CUBE:
            draws = counted(damage["draws"], "draw")
            remark = f" (± between {draws} of the dead; {damage['items']:,} test items)"
        elif max(abs(value - model["mean"][0]) for value in model["mean"]) < 1e-6:
            remark = ": its hidden units have learned nothing that could be lost"
        text = TEXTS["damage"].format(
            share=SHOWN_DAMAGE,
            parts="cells" if name == CUBE else "hidden units",
            model="the cube" if name == CUBE else name,
            whole=model["mean"][0],
            mean=model["mean"][index],
            deviation=model["deviation"][index],
            remark=remark,
        )
        texts.append(text)
    return " ".join(texts)
