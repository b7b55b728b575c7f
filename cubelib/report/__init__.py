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
    curves     narrower waists and dead cells
    errors     items that say most, hubs
    files      report.md, report.json and pictures
    markdown   tables in line, texts made harmless

Taught in notebook 06.
"""

from cubelib.report.build import build_report
from cubelib.report.figures import BEFORE, CUBE, Row
from cubelib.report.files import check_free, save_report
from cubelib.report.rivals import check_baselines
from cubelib.report.table import TaskReport

__all__ = ["BEFORE", "CUBE", "Row", "TaskReport", "build_report", "check_baselines", "check_free", "save_report"]
