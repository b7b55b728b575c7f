"""Teacher and cube as one sentence-transformers model.

    autoencoder        texts ─teacher→ vectors ─cube→ vectors
    dialogue, mixed    questions ─teacher→ vectors ─cube→ vectors     encode_query, and encode
                       answers ─teacher→ vectors                      encode_document

A cube for dialogue maps questions into the space of answers; the answers are already there.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cubelib.encoders.sentence_model import SentenceModel
from cubelib.errors import ConfigError
from cubelib.inference.export.card import model_card
from cubelib.inference.export.places import check_new, written_aside
from cubelib.training.sources import content_of
from cubelib.training.trainer import CubeTrainer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from cubelib.evaluation.report import TaskReport

_ONNX_INSTEAD = (
    "The cube alone, vectors in and vectors out, goes into an ONNX file: cubelib.inference.export.export_onnx."
)


def to_sentence_transformer(trainer: CubeTrainer, *, base: SentenceTransformer | None = None) -> SentenceTransformer:
    """The teacher of a run with its cube as the last step.

    In dialogue and mixed mode the last step is a Router: `encode_query` and `encode` go through the cube,
    `encode_document` does not. All vectors have length 1: the default losses train the direction only. A prompt that
    the teacher puts before every text stands before questions and answers too; prompts it has for queries and documents
    are not used, since the cube has not seen such vectors.

    Args:
        trainer: with the cube; it is copied.
        base: the model that made the vectors, where the teacher is not one; its modules are shared, not copied.

    Returns:
        The model, on the CPU, or where `base` is.

    Raises:
        ConfigError: there is no cube, no sentence-transformers model behind its vectors, or one that does not fit.
        DataError: the teacher cannot be loaded.
        ModuleNotFoundError: it is not installed, or sentence-transformers is not; the message has the command.
    """
    if trainer.embedding_processor is None:
        raise ConfigError("Exporting: there is no cube yet. Call initialize_components() and fit first.")
    if base is None:
        base = _teacher(trainer)
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Router

    from cubelib.inference.export.cube_module import CubeModule

    _check_fits(base, trainer)
    cube = CubeModule.of(trainer).to(base.device)
    last = cube
    if trainer.config.mode != "autoencoder":
        last = Router.for_query_document([cube], [Normalize()], default_route="query")
    prompt = base.prompts.get(base.default_prompt_name) or ""
    model = SentenceTransformer(
        modules=[*base.children(), last],
        device=str(base.device),
        prompts={"query": prompt, "document": prompt},
        default_prompt_name="query" if prompt else None,
        similarity_fn_name="cosine",
    )
    return model.eval()


def save_sentence_transformer(
    trainer: CubeTrainer,
    folder: str | Path,
    *,
    base: SentenceTransformer | None = None,
    reports: Sequence[TaskReport] = (),
) -> Path:
    """Writes `to_sentence_transformer` as a folder: safetensors and JSON, and a README.md that says what it is.

    Where it is loaded cubelib must be installed, and `SentenceTransformer(folder, trust_remote_code=True)` allows it to
    run: sentence-transformers asks for that with every class that is not its own. No code is in the folder.

    Args:
        trainer: with the cube.
        folder: a new one.
        base: see `to_sentence_transformer`.
        reports: what `build_report` gave, for the README; without them it holds no figures.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists; and what `to_sentence_transformer` raises.
        UserError: it cannot be written.
    """
    folder = Path(folder)
    check_new(folder)
    model = to_sentence_transformer(trainer, base=base)
    card = model_card(trainer, folder.name, reports, teacher=None if base is not None else trainer.embedding_loader)
    with written_aside(folder) as place:
        _save_quietly(model, place)
        (place / "README.md").write_text(card, encoding="utf-8")
    return folder


def _save_quietly(model: SentenceTransformer, folder: Path) -> None:
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model.save_pretrained(str(folder), create_model_card=False)
    finally:
        if bars:
            logging.enable_progress_bar()
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)  # safetensors writes for the owner alone


def _teacher(trainer: CubeTrainer) -> SentenceTransformer:
    """A copy of the run's teacher, loaded from local files."""
    data, encoder = trainer.config.data, trainer.embedding_loader
    if content_of(data) == "vectors":
        raise ConfigError(
            f"Exporting: the cube was trained on the vectors of {data.file}, and which model made them is not known. "
            f"Pass that model as base=SentenceTransformer(...). {_ONNX_INSTEAD}"
        )
    if not isinstance(encoder._model, SentenceModel):
        raise ConfigError(
            f"Exporting: the teacher {encoder.name} is not a sentence-transformers model, so the cube cannot be its "
            f"last step. If it stands on one, pass that as base=SentenceTransformer(...). {_ONNX_INSTEAD}"
        )
    encoder.load()
    return copy.deepcopy(encoder._model._model)


def _check_fits(base: SentenceTransformer, trainer: CubeTrainer) -> None:
    from sentence_transformers.base.modules import Router

    width, dim = base.get_embedding_dimension(), trainer.config.embedding_dim
    if width not in (None, dim):
        raise ConfigError(
            f"Exporting: the model makes vectors of {width} numbers, the cube was trained on {dim}. Pass the one that "
            f"made them as base=SentenceTransformer(...). {_ONNX_INSTEAD}"
        )
    if base.truncate_dim is not None:
        raise ConfigError(
            f"Exporting: the model cuts its vectors to {base.truncate_dim} numbers after its last step, and the cube "
            f"must come after that. {_ONNX_INSTEAD}"
        )
    if any(isinstance(module, Router) for module in base.children()):
        raise ConfigError(
            "Exporting: the model treats questions and answers differently by itself, and the cube was trained on "
            f"vectors of one kind. {_ONNX_INSTEAD}"
        )
