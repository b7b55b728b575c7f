"""The README.md of an exported model: what it is, in facts that the run knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cubelib
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.training.trainer import CubeTrainer

if TYPE_CHECKING:
    from cubelib.evaluation.report import TaskReport

_WHAT = {
    "autoencoder": "The cube was trained to give back the vector of a sentence.",
    "dialogue": "The cube was trained to turn the vector of a question into that of its answer. Questions go through "
    "it, answers do not.",
    "mixed": "The cube was trained to give back the vector of a sentence, and to turn that of a question into that of "
    "its answer. Questions go through it, answers do not.",
}
_ONE_WAY = """\
vectors = model.encode(["How are you?", "What is AI?"])
print(model.similarity(vectors, vectors))"""
_TWO_WAYS = """\
questions = model.encode_query(["How are you?"])              # through the cube, as model.encode
answers = model.encode_document(["I am fine.", "At noon."])   # not through the cube
print(model.similarity(questions, answers))"""


def model_card(
    trainer: CubeTrainer, name: str, reports: Sequence[TaskReport], *, teacher: TeacherEncoder | None
) -> str:
    """The card as Markdown.

    Args:
        trainer: with the cube.
        name: of the folder.
        reports: of held-out items; without any the card says that none were given.
        teacher: the model before the cube; None: one that cubelib does not know.
    """
    config = trainer.config
    told = "a model that was passed to the export"
    if teacher is not None:
        # Of a folder only its name: where it lay on this machine is nobody else's business.
        shown = Path(teacher.name).name if Path(teacher.name).is_dir() else teacher.name
        told = f"{shown}, weights with SHA-256 `{teacher.sha256}`"
    figures = "\n\n".join(
        f"{report.task}, {len(report.split.test):,} held-out items:\n\n{report.to_markdown()}" for report in reports
    )
    trained_on = [f"| training items, {task} | SHA-256 `{found}` |" for task, found in trainer.trained_on.items()]
    lines = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags:\n- sentence-transformers\n- sentence-similarity\n- cubelib",
        "---",
        f"\n# {name}\n",
        f"A sentence encoder, and after it a cube of [cubelib](#how-to-use-it): a lattice of cells that talk only to "
        f"their neighbors. {_WHAT[config.mode]} All vectors have {config.embedding_dim} numbers and length 1; compare "
        "them by their cosine.\n",
        "| what | |",
        "|---|---|",
        f"| encoder | {told} |",
        f"| mode | {config.mode} |",
        f"| cube | `{trainer.embedding_processor!r}` |",
        f"| layout | `{trainer.embedding_reshaper!r}` |",
        *(trained_on or ["| training items | none: the cube is untrained |"]),
        f"| written by | cubelib {cubelib.__version__} |",
        "\n## How to use it\n",
        "It needs the packages sentence-transformers and cubelib. No code is in this folder; `trust_remote_code=True` "
        "allows sentence-transformers to import the class of the last step from the installed cubelib.\n",
        "```python",
        "from sentence_transformers import SentenceTransformer\n",
        f'model = SentenceTransformer("{name}", trust_remote_code=True)',
        _ONE_WAY if config.mode == "autoencoder" else _TWO_WAYS,
        "```",
        "\n## How good it is\n",
        figures or "No figures of held-out items were given when this was written. The report of its run has them.",
    ]
    return "\n".join(lines) + "\n"
