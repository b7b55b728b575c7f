"""The report: the cube beside its baselines, on held-out items, with intervals and plain sentences.

All models see the same training items, all figures come from the same test items, and every difference is paired: the
two models are compared item by item.

    build      build_report: fits, measures, says what follows
    rivals     which baselines, and how they are fitted
    measure    the items and answers that every model is measured on
    bank       the answers of a dialogue, and which are right
    figures    all models on the same items: intervals, paired tests, who can be told apart
    table      TaskReport: the figures as a table, in Markdown, as plain values
    verdicts   sentences
    curves     narrower bottlenecks and dead cells
    errors     items that say most, hubs
    markdown   tables in line, texts made harmless

Taught in notebook 06.
"""

from cubelib.evaluation.report.build import build_report
from cubelib.evaluation.report.figures import BEFORE, CUBE, ModelResult
from cubelib.evaluation.report.rivals import check_baselines
from cubelib.evaluation.report.table import TaskReport

__all__ = ["BEFORE", "CUBE", "ModelResult", "TaskReport", "build_report", "check_baselines"]
