"""sentence-transformers models in local folders: checked, loaded without a connection, and run in several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from tqdm import tqdm

from cubelib.device import find_device
from cubelib.encoders.teacher import check_files, fingerprint, folder_checksums
from cubelib.encoders.text_model import Role, TextModel
from cubelib.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_BLOCK = 1024  # texts that are tokenized at a time, to count their tokens
_UNLIMITED = 10**9  # tokens; transformers writes "no limit" as 1e30
PROMPT_NAMES: dict[Role, tuple[str, ...]] = {  # role → what a model may call the prompt for it
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}


class SentenceModel(TextModel):
    """A sentence-transformers model in a local folder.

    Args:
        name: the name it was asked for by.
        checksums: file name → SHA-256 of the files that decide its vectors; compared when it is loaded.
        device: where it runs: "cpu", "cuda", "cuda:1", "mps", or "auto".
        find_folder: gives its folder; called when it is loaded.
        hint: what to do if a file has changed.
        dim: numbers in a vector, if known.

    Raises:
        ConfigError: this machine has no such device.
    """

    def __init__(
        self,
        name: str,
        checksums: Mapping[str, str],
        device: str,
        find_folder: Callable[[], Path],
        *,
        hint: str,
        dim: int | None = None,
    ) -> None:
        super().__init__(name, *fingerprint(checksums), self._load_checked, dim, cuts=True)
        self._checksums, self._find_folder, self._hint = checksums, find_folder, hint
        self._device = sentence_device(device)
        self._pool: Any = None

    def too_long(self, texts: Sequence[str], role: Role | None = None) -> list[str]:
        self.load()
        if self.max_tokens is None:
            return []
        prompt = self.prompt(role)
        long = []
        for start in range(0, len(texts), _BLOCK):
            some = texts[start : start + _BLOCK]
            prompted = [prompt + text for text in some]
            tokens = self.loaded.tokenizer(prompted, truncation=False, padding=False, verbose=False)["input_ids"]
            long += [text for text, ids in zip(some, tokens, strict=True) if len(ids) > self.max_tokens]
        return long

    @contextmanager
    def worker_pool(self, devices: Sequence[str]) -> Iterator[None]:
        import torch

        self.load()
        self.loaded.worker_setup = _WorkerSetup(max(1, torch.get_num_threads() // len(devices)))
        with _interrupts_held():
            self._pool, self.processes = self.loaded.start_multi_process_pool(list(devices)), len(devices)
        del self.loaded.worker_setup
        try:
            yield
        finally:
            self.loaded.stop_multi_process_pool(self._pool)
            self._pool, self.processes = None, 1

    def _load_checked(self) -> SentenceTransformer:
        folder = self._find_folder()
        check_files(folder, self._checksums, self._hint)
        model = _load_local(folder, self._device)
        limit = model.max_seq_length
        counts_tokens = hasattr(model.tokenizer, "num_special_tokens_to_add")  # the others read a text to its end
        if counts_tokens and limit is not None and limit < _UNLIMITED:
            self.max_tokens = limit
        return model

    def _encode(self, texts: list[str], batch_size: int, role: Role | None) -> npt.NDArray[Any]:
        rows: npt.NDArray[Any] = self.loaded.encode(
            texts,
            prompt=self.prompt(role),
            task=role,
            batch_size=batch_size,
            pool=self._pool,
            chunk_size=batch_size,
            show_progress_bar=False,
        )
        return rows


@dataclass
class _WorkerSetup:
    """Travels to each worker as a part of the model, and sets the worker up while it is unpickled there.

    The pool of sentence-transformers has no hook for this. Without it each worker would use all cores, print a
    traceback at Ctrl-C, and live on if this process is killed.
    """

    threads: int

    def __setstate__(self, state: Mapping[str, int]) -> None:
        import torch

        torch.set_num_threads(state["threads"])
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tqdm.set_lock(threading.RLock())  # the usual lock is shared, and would be reported as leaked
        threading.Thread(target=_end_with_parent, daemon=True).start()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C reaches this process after the block; processes started in it never see it, not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it would let signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    while (parent := multiprocessing.parent_process()) is None:  # known a moment after this thread starts
        time.sleep(0.1)
    parent.join()
    os._exit(1)


def local_model(folder: str | Path, device: str, name: str | None = None) -> SentenceModel:
    """The model in a folder made by `SentenceTransformer.save_pretrained`.

    Raises:
        DataError: there is no such model in the folder, or only as a pickle.
    """
    path = Path(folder).resolve()
    checksums = folder_checksums(path) if (path / "modules.json").is_file() else {}
    if not any(file.endswith(".safetensors") for file in checksums):
        lacking = "safetensors weights" if checksums else "modules.json"
        raise DataError(
            f"TeacherEncoder: {folder} has no {lacking}, so it is not a sentence-transformers model. Make one with "
            f"SentenceTransformer(...).save_pretrained({str(folder)!r})."
        )
    for pickle in path.rglob("pytorch_model.bin"):
        if not any(pickle.parent.glob("*.safetensors")):
            raise DataError(f"TeacherEncoder: {pickle} is a pickle, which can run code. Save it as model.safetensors.")
    hint = "It has changed since; make a new TeacherEncoder."
    model = SentenceModel(name or str(folder), checksums, device, lambda: path, hint=hint)
    model.has_routes = any(kind in (path / "modules.json").read_text("utf-8") for kind in ("Router", "Asym"))
    settings = path / "config_sentence_transformers.json"
    if settings.is_file():
        _set_prompts(model, json.loads(settings.read_text("utf-8")))
    return model


def _set_prompts(model: TextModel, settings: Mapping[str, Any]) -> None:
    """The prompts that a model names in its config_sentence_transformers.json."""
    prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
    model.default_prompt = prompts.get(default) or ""
    for role, names in PROMPT_NAMES.items():
        known = [prompts[name] for name in names if name in prompts]
        if known:  # sentence-transformers writes an empty one for the name that a model does not use
            model.prompts[role] = next(filter(None, known), "")
        elif default in PROMPT_NAMES["query"]:  # the other role's prompt is none of its own
            model.prompts[role] = ""


def sentence_device(name: str) -> str:
    """The device of that name for sentence-transformers, which also runs on Apple GPUs.

    Raises:
        ConfigError: no such device here.
    """
    import torch

    if name != "mps":
        return str(find_device(name))
    if not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' was asked for, but torch finds no Apple GPU. Use device: cpu or auto.")
    return name


def _load_local(folder: Path, device: str) -> SentenceTransformer:
    """Loads a folder without a connection, pickles or code of its own.

    Raises:
        ModuleNotFoundError: sentence-transformers is not installed; the message has the command.
        DataError: the folder cannot be loaded, or tensors are missing.
    """
    try:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"TeacherEncoder: texts outside the cache need the model, and {error.name} is not installed. Install it "
            "with: python -m pip install sentence-transformers"
        ) from error
    safetensors_only: dict[str, Any] = {"use_safetensors": True}
    try:
        with no_progress_bars():
            model = SentenceTransformer(
                str(folder), device=device, local_files_only=True, model_kwargs=safetensors_only
            )
            missing = _missing_tensors(model)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        problem = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"TeacherEncoder: sentence-transformers cannot load the model in {folder}: {problem}. Are files damaged or "
            "missing? If it needs code of its own, load it yourself and pass TeacherEncoder(model.encode, name='...')."
        ) from error
    if missing:
        raise DataError(
            f"TeacherEncoder: the model in {folder} lacks {len(missing)} tensors, such as {missing[0]}; random numbers "
            "would take their place. Save or download it again."
        )
    return model


def _missing_tensors(model: SentenceTransformer) -> list[str]:
    """Tensors that are in no file. transformers fills them with random numbers, and only logs it."""
    from sentence_transformers.base.modules import Transformer

    missing: set[str] = set()
    for module in model.modules():
        if isinstance(module, Transformer):
            network = module.auto_model
            _, report = type(network).from_pretrained(
                network.name_or_path,
                config=network.config,
                device_map="meta",  # reads names and shapes, no numbers
                output_loading_info=True,
                use_safetensors=True,
                local_files_only=True,
            )
            missing |= report["missing_keys"]
    # Many BERT models lack the pooler. That does no harm: sentence-transformers pools the token vectors itself.
    return sorted(name for name in missing if not name.startswith("pooler."))


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Silences the progress bars of transformers within the block."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
