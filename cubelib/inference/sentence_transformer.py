"""Teacher and cube as one sentence-transformers model.

    autoencoder        texts ─teacher→ vectors ─cube→ vectors
    dialogue, mixed    questions ─teacher→ vectors ─cube→ vectors     encode_query
                       answers ─teacher→ vectors                      encode_document, and encode

A cube for dialogue maps questions into the space of answers; the answers are already there. How to, and what is not
exported: docs/export.md.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module, Normalize, Router
from torch import Tensor
from torch.nn.functional import normalize

import cubelib
from cubelib.encoders.sentence_model import SentenceModel, no_progress_bars
from cubelib.errors import ConfigError
from cubelib.files import check_new, new_target
from cubelib.training.config import TrainingConfig
from cubelib.training.cube import Cube
from cubelib.training.sources import content_of
from cubelib.training.trainer import CubeTrainer

if TYPE_CHECKING:
    from cubelib.evaluation import TaskReport

# The settings that make a cube; how it was trained, and where its data are, is not exported.
_CUBE_SETTINGS = ("mode", "random_seed", "lattice_size", "embedding_dim", "answer_dim", "core")
_ONNX_INSTEAD = (
    "The cube alone, vectors in and vectors out, becomes an ONNX file: --to NAME.onnx (in Python "
    "cubelib.inference.onnx.export_onnx)."
)


class CubeModule(Module):
    """The cube as a step of a sentence-transformers model: `features["sentence_embedding"]`, `(batch, dim)`.

    Vectors are normalized before the cube, as in training, and after it: the default losses train the direction only.
    A saved model names this class by its path, so the path stays.

    Args:
        cube_training: the settings of the cube, as under `cube_training:` of a configuration file.

    Raises:
        ConfigError: settings that this version of cubelib does not know.

    Example:
        >>> trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> trainer.initialize_components()
        >>> vectors = normalize(torch.randn(2, 48), dim=1)
        >>> output = CubeModule.of(trainer)({"sentence_embedding": 3 * vectors})["sentence_embedding"]
        >>> bool((output - vectors).abs().max() < 1e-6)  # untrained: the same direction
        True
    """

    config_keys = ["cube_training"]  # noqa: RUF012 (as the base class has it)

    def __init__(self, cube_training: Mapping[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cube_training = dict(cube_training)
        self.cube = Cube(TrainingConfig.from_dict(cube_training, origin="the config.json of a CubeModule"))
        self.cube.initialize_components()
        self.cube.eval()

    @classmethod
    def of(cls, trainer: CubeTrainer) -> CubeModule:
        """A copy of a trainer's cube, on the CPU.

        Raises:
            ConfigError: the cube is not the one that its configuration describes.
        """
        settings = {name: value for name, value in trainer.config.to_dict().items() if name in _CUBE_SETTINGS}
        settings["core"]["bottleneck"] = trainer.config.bottleneck  # "auto" may mean something else one day
        module = cls(settings)
        module.cube.load_state_dict(trainer.state_dict())
        dim = trainer.config.embedding_dim
        vectors = normalize(torch.randn(4, dim, generator=torch.Generator().manual_seed(0)), dim=1)
        difference = (module.cube.predict(vectors) - trainer.predict(vectors)).abs().max().item()
        if not difference <= 1e-5:  # also refuses NaN
            raise ConfigError(
                f"Exporting: a cube built from the trainer's configuration, with its weights, differs from the "
                f"trainer's by {difference:.1e}. Use a trainer that built its cube itself (initialize_components)."
            )
        return module

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Replaces features["sentence_embedding"] by the cube's output for it."""
        weight = next(self.cube.parameters())
        self.cube.device = weight.device  # sentence-transformers moves its models
        vectors: Tensor = features["sentence_embedding"].to(weight.dtype)
        features["sentence_embedding"] = normalize(self.cube(normalize(vectors, dim=-1)), dim=-1)
        return features

    def get_embedding_dimension(self) -> int:
        """Numbers in an output."""
        return self.cube.config.target_dim

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Writes config.json and model.safetensors, never a pickle."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=True)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> CubeModule:  # type: ignore[override]
        """Reads what `save` wrote."""
        names = ("token", "cache_folder", "revision", "local_files_only")
        options = {"subfolder": subfolder, **{name: kwargs[name] for name in names if name in kwargs}}
        module = cls(**cls.load_config(model_name_or_path, **options))
        cls.load_torch_weights(model_name_or_path, model=module, **options)
        return module

    def __repr__(self) -> str:
        return f"CubeModule({self.cube_training['mode']}, {self.cube.reshaper!r}, {self.cube.core!r})"


class QuestionRouter(Router):
    """Two ways through a model: questions go through the cube, documents past it.

    The way is told by the task (`encode_query`, `encode_document`), or by a prompt: programs that call `encode` for
    both can give its name (`prompt_name="query"`) or its text. Texts of which nothing is said are taken for documents,
    with a warning. What is put in front of a text is what the cube was trained with, whatever the prompt is called.

    Args:
        sub_modules: "query" and "document" → modules.
        prompts: "query" and "document" → [text of the prompt by which a way is known, text in front of the input].
        options: as for sentence-transformers' Router.
    """

    config_keys = [*Router.config_keys, "prompts"]  # noqa: RUF012 (as the base class has it)

    def __init__(self, sub_modules: dict[str, list[Module]], prompts: dict[str, list[str]], **options: Any) -> None:
        super().__init__(sub_modules, **{"default_route": "document", **options})
        self.prompts = prompts
        self._has_warned = False

    def preprocess(
        self, inputs: Any, prompt: str | None = None, task: str | None = None, modality: Any = None, **kwargs: Any
    ) -> Any:
        """Finds the way, and prepares texts with the prompt that belongs to it."""
        task_of = {known_by: way for way, (known_by, _) in self.prompts.items()}
        task = task or task_of.get(prompt or "")
        if task is None and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                "This model sends questions through a cube and documents past it. encode() was not told which these "
                "texts are, and takes them for documents. For questions use encode_query, or prompt_name='query'.",
                stacklevel=2,
            )
        task = task or "document"
        if prompt in (None, "", *task_of) and task in self.prompts:
            prompt = self.prompts[task][1]
        return super().preprocess(inputs, prompt=prompt or None, task=task, modality=modality, **kwargs)


def to_sentence_transformer(trainer: CubeTrainer, *, base: SentenceTransformer | None = None) -> SentenceTransformer:
    """The teacher of a run with its cube as the last step.

    In dialogue and mixed mode there are two ways, see `QuestionRouter`: `encode_query` goes through the cube, `encode`
    and `encode_document` do not. (If another encoder made the answers, that one encodes documents, and this model has
    no way for them.) All vectors have length 1. The teacher's prompts for queries and documents are in front of them,
    as they were in training; a `base` that is passed has its default prompt in front of both.

    Args:
        trainer: with the cube; it is copied.
        base: the model that made the vectors, if the teacher is not one; its modules are shared, not copied.

    Returns:
        The model, on the CPU, or where `base` is.

    Raises:
        ConfigError: there is no cube, no sentence-transformers model behind its vectors, or one that does not fit.
        DataError: the teacher cannot be loaded.
        ModuleNotFoundError: it is not installed; the message has the command.
    """
    if not trainer.initialized:
        raise ConfigError("Exporting: there is no cube yet. Call initialize_components() and fit first.")
    prompts = {"query": "", "document": ""}
    if base is None:
        base = _teacher(trainer)
        prompts = {str(role): prompt for role, prompt in trainer.encoder.prompts.items()}
    elif base.default_prompt_name is not None:
        prompts = dict.fromkeys(prompts, base.prompts[base.default_prompt_name] or "")
    if trainer.config.mode == "autoencoder":
        prompts["query"] = prompts["document"]  # it was trained on documents alone
    _check_fits(base, trainer)
    modules: list[Any] = [*base.children(), CubeModule.of(trainer).to(base.device)]
    default = "query" if prompts["query"] else None
    if _two_ways(trainer):
        known_by = known_prompts(prompts)
        ways = {"query": modules, "document": [*base.children(), Normalize()]}
        modules = [QuestionRouter(ways, {way: [known_by[way], prompts[way]] for way in ways})]
        prompts, default = known_by, None
    model = SentenceTransformer(
        modules=modules,
        device=str(base.device),
        prompts=prompts,
        default_prompt_name=default,
        similarity_fn_name="cosine",
    )
    return model.eval()


def known_prompts(prompts: Mapping[str, str]) -> dict[str, str]:
    """Prompts by which questions and documents can be told apart: the teacher's, if they differ and none is empty.

    Example:
        >>> known_prompts({"query": "Find: ", "document": "Text: "}), known_prompts({"query": "", "document": ""})
        ({'query': 'Find: ', 'document': 'Text: '}, {'query': 'query: ', 'document': 'document: '})
    """
    if all(prompts.values()) and prompts["query"] != prompts["document"]:
        return dict(prompts)
    return {way: f"{way}: " for way in ("query", "document")}


def save_sentence_transformer(
    trainer: CubeTrainer,
    folder: str | Path,
    *,
    base: SentenceTransformer | None = None,
    reports: Sequence[TaskReport] = (),
) -> Path:
    """Writes `to_sentence_transformer` as a folder: safetensors, JSON, and a README.md that describes it.

    Where it is loaded, cubelib must be installed, and `SentenceTransformer(folder, trust_remote_code=True)` allows it
    to run: sentence-transformers asks for that with every class that is not its own. No code is in the folder.

    Args:
        trainer: with the cube.
        folder: a new one.
        base: see `to_sentence_transformer`.
        reports: what `build_report` gave, for the README; without them it has no results.

    Returns:
        The folder.

    Raises:
        DataError: the folder exists; and what `to_sentence_transformer` raises.
        UserError: it cannot be written.
    """
    folder = Path(folder)
    check_new(folder, "Exporting")
    model = to_sentence_transformer(trainer, base=base)
    encoder = "a model that was passed to the export" if base is not None else _encoder_facts(trainer)
    with new_target(folder, "Exporting") as aside, no_progress_bars():
        model.save_pretrained(str(aside), create_model_card=False)
        card = _model_card(trainer, folder.name, encoder, model.prompts, reports)
        (aside / "README.md").write_text(card, encoding="utf-8")
    return folder


def _two_ways(trainer: CubeTrainer) -> bool:
    """Whether the model has a way for documents, beside the cube."""
    return trainer.config.mode != "autoencoder" and trainer.config.target_dim == trainer.config.embedding_dim


def _teacher(trainer: CubeTrainer) -> SentenceTransformer:
    """A copy of the run's teacher, loaded from local files."""
    data, encoder = trainer.config.data, trainer.encoder
    if content_of(data) == "vectors":
        raise ConfigError(
            f"Exporting: the cube was trained on the vectors of {data.file}, and which model made them is not known. "
            f"In Python, pass that model as base=SentenceTransformer(...). {_ONNX_INSTEAD}"
        )
    if not isinstance(encoder._model, SentenceModel):
        raise ConfigError(
            f"Exporting: the teacher {encoder.name} is not a sentence-transformers model, so the cube cannot be its "
            f"last step. If it uses one, pass that as base=SentenceTransformer(...). {_ONNX_INSTEAD}"
        )
    encoder.load()
    model: SentenceTransformer = copy.deepcopy(encoder._model.loaded)
    return model


def _check_fits(base: SentenceTransformer, trainer: CubeTrainer) -> None:
    width, dim = base.get_embedding_dimension(), trainer.config.embedding_dim
    problem = None
    if width not in (None, dim):
        problem = (
            f"makes vectors of {width} numbers, the cube was trained on {dim}. Pass the one that made them as "
            "base=SentenceTransformer(...)"
        )
    elif base.truncate_dim is not None:
        problem = f"cuts its vectors to {base.truncate_dim} numbers after its last step, and the cube must come after"
    elif any(isinstance(module, Router) for module in base.children()):
        problem = "treats questions and answers differently by itself, and the cube was trained on one kind of vectors"
    if problem:
        raise ConfigError(f"Exporting: the model {problem}. {_ONNX_INSTEAD}")


def _encoder_facts(trainer: CubeTrainer) -> str:
    name = trainer.encoder.name
    if Path(name).is_dir():
        name = Path(name).name  # where it is on this machine is nobody else's business
    return f"{name}, weights with SHA-256 `{trainer.encoder.sha256}`"


_PURPOSE = {
    "autoencoder": "The cube was trained to give back the vector of a sentence.",
    "dialogue": "The cube was trained to turn the vector of a question into that of its answer. Questions go through "
    "it, answers do not.",
    "mixed": "The cube was trained to give back the vector of a sentence, and to turn that of a question into that of "
    "its answer. Questions go through it, answers do not.",
    "between encoders": "The cube was trained to turn the vector of a question into that of its answer, which another "
    "encoder made: that one encodes the texts to search in.",
}
_USE_ONE_WAY = """\
vectors = model.encode(["How are you?", "What is AI?"])
print(model.similarity(vectors, vectors))"""
_USE_TWO_WAYS = """\
questions = model.encode_query(["How are you?"])              # through the cube
answers = model.encode_document(["I am fine.", "At noon."])   # not through the cube, as model.encode
print(model.similarity(questions, answers))
```

Other programs call `encode` for both, and must be told which is which:

```python
from langchain_huggingface import HuggingFaceEmbeddings

HuggingFaceEmbeddings(
    model_name="{name}",
    model_kwargs={{"trust_remote_code": True}},
    encode_kwargs={{"prompt_name": "document"}},
    query_encode_kwargs={{"prompt_name": "query"}},
)
```

```python
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

HuggingFaceEmbedding("{name}", trust_remote_code=True, query_instruction={query!r}, text_instruction={document!r})
```

```python
from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

function = SentenceTransformerEmbeddingFunction("{name}", trust_remote_code=True)  # for documents
collection.query(query_embeddings=model.encode_query(["How are you?"]).tolist())  # not query_texts"""


def _model_card(
    trainer: CubeTrainer, name: str, encoder: str, prompts: Mapping[str, str | None], reports: Sequence[TaskReport]
) -> str:
    mode = trainer.config.mode
    items = [f"| training items, {task} | SHA-256 `{digest}` |" for task, digest in trainer.trained_on.items()]
    results = [
        f"{report.task}, {len(report.split.test):,} held-out items:\n\n{report.to_markdown()}" for report in reports
    ]
    template = Path(__file__).with_name("model_card.md").read_text(encoding="utf-8")
    return template.format(
        name=name,
        purpose=_PURPOSE[mode if _two_ways(trainer) or mode == "autoencoder" else "between encoders"],
        dim=trainer.config.target_dim,
        encoder=encoder,
        mode=mode,
        core=trainer.core,
        reshaper=trainer.reshaper,
        training_items="\n".join(items) or "| training items | none: the cube is untrained |",
        version=cubelib.__version__,
        use=_USE_TWO_WAYS.format(name=name, **prompts) if _two_ways(trainer) else _USE_ONE_WAY,
        results="\n\n".join(results) or "No results on held-out items were given. The report of its run has them.",
    )
