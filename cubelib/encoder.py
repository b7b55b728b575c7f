"""TeacherEncoder: text → vectors of unit length, and never the same text twice.

A text is looked up in the warm cache that comes with the package, then in the user's cache, and only what is in neither
goes to the real model, which is loaded at that moment.

Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from cubelib import teacher
from cubelib.cache import EmbeddingCache, cache_folder, embedding_key
from cubelib.errors import ConfigError, DataError
from cubelib.identity import WEIGHTS
from cubelib.sentence_model import SentenceModel
from cubelib.warm import warm_vectors

if TYPE_CHECKING:
    import torch


def _checked(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise DataError(
            f"TeacherEncoder: encode takes a list of texts. Given one str: {texts!r:.60}. Use encode([text])."
        )
    texts = list(texts)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            problem = f"is of type {type(text).__name__}, not str"
        elif not text.strip():
            problem = "is empty or only white space"
        elif any("\ud800" <= letter <= "\udfff" for letter in text):
            problem = "holds half of a surrogate pair, which is no Unicode text (was its file read as UTF-8?)"
        else:
            continue
        raise DataError(
            f"TeacherEncoder: cannot encode text {index} of {len(texts)}: it {problem}. Given: {text!r:.60}. "
            "Expected a str with at least one visible character. Mend the text or leave it out."
        )
    return texts


class TeacherEncoder:
    """The teacher: a sentence encoder behind a cache.

    Args:
        model: "all-mpnet-base-v2" (768 numbers), or the path of a local sentence-transformers folder.
        cache_dir: where new vectors are kept, see `cubelib.cache.cache_folder`.
        device: where the real model runs: "cpu", "cuda", "cuda:1", "mps".
        batch_size: how many texts go through the real model, and then into the cache, at a time.
        warm: whether to look into the package's warm cache first.

    Attributes:
        hits, misses: texts of the last `encode` that came from a cache, and that the model had to encode.

    Raises:
        ConfigError: the model is neither known by name nor a folder, or batch_size is below 1.
        DataError: the folder holds no sentence-transformers model.

    Example:
        >>> from cubelib import corpora
        >>> encoder = TeacherEncoder()
        >>> encoder.encode(corpora.sentences(3)).shape
        torch.Size([3, 768])
        >>> encoder
        TeacherEncoder(all-mpnet-base-v2, 768 numbers, model not loaded; last encode: 3 from the cache, 0 encoded)
    """

    def __init__(
        self,
        model: str | Path = teacher.NAME,
        *,
        cache_dir: Path | str | None = None,
        device: str = "cpu",
        batch_size: int = 32,
        warm: bool = True,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"TeacherEncoder: batch_size is {batch_size}, expected 1 or more. The default is 32.")
        self.cache_dir = cache_folder(cache_dir)
        self.batch_size = batch_size
        self.hits = self.misses = 0
        self._model = SentenceModel(model, self.cache_dir, device)
        self._warm = warm and self.sha256 == teacher.FILES[WEIGHTS]

    @property
    def name(self) -> str:
        """The model's name or path."""
        return self._model.name

    @property
    def sha256(self) -> str:
        """SHA-256 of the model's weights; with `tag` its identity in the cache."""
        return self._model.sha256

    @property
    def tag(self) -> str:
        """How the model makes one vector of a text: its tokenizer, pooling and settings in short."""
        return self._model.tag

    @property
    def dim(self) -> int:
        """Numbers in a vector: 768 for all-mpnet-base-v2; any other model is loaded to learn it."""
        if self._model.known_dim is None:
            self._model.load()
        return self._model.known_dim

    def encode(self, texts: Iterable[str], *, progress: bool = True) -> torch.Tensor:
        """Unit vectors of texts, in their order.

        The same text gets the same numbers at every call, in whatever company it is asked for. A text longer than the
        model reads (384 tokens for all-mpnet-base-v2, some 250 English words) is cut there by the model, silently: the
        rest of it does not count. New vectors are stored batch by batch; after a kill, call again to continue.

        Args:
            texts: texts with at least one visible character each.
            progress: whether to show a bar over what must really be encoded.

        Returns:
            `(n, dim)` float32 on the CPU, rows of length 1.

        Raises:
            DataError: a text is empty or not a str (the message has its index), or a cache or the model is damaged.
            ModuleNotFoundError: the real model is needed and not installed; the message has the command.
            UserError: the cache folder cannot be read or written.

        Example:
            >>> try:
            ...     TeacherEncoder().encode(["How are you?", ""])
            ... except DataError as error:
            ...     print(str(error)[:82])
            TeacherEncoder: cannot encode text 1 of 2: it is empty or only white space. Given:
        """
        import torch

        texts = _checked(texts)
        keys = [embedding_key(self.sha256, self.tag, text) for text in texts]
        missing = dict(zip(keys, texts, strict=True))  # a text that occurs twice is encoded once
        vectors: dict[bytes, np.ndarray] = {}
        if self._warm:
            warm = warm_vectors()
            vectors = {key: warm[key] for key in missing if key in warm}
            missing = {key: text for key, text in missing.items() if key not in vectors}
        if missing:
            with EmbeddingCache(self.cache_dir) as cache:
                vectors |= cache.get_many(list(missing))
                missing = {key: text for key, text in missing.items() if key not in vectors}
                if missing:
                    vectors |= self._encode_new(missing, cache, progress)
        self.hits, self.misses = len(texts) - len(missing), len(missing)
        if not texts:
            return torch.empty(0, self.dim)
        return torch.from_numpy(np.stack([vectors[key] for key in keys]))

    def __repr__(self) -> str:
        numbers = f"{self._model.known_dim} numbers" if self._model.known_dim else "numbers not known yet"
        state = "loaded" if self._model.is_loaded else "not loaded"
        last = f"{self.hits:,} from the cache, {self.misses:,} encoded"
        return f"TeacherEncoder({self.name}, {numbers}, model {state}; last encode: {last})"

    def _encode_new(self, missing: dict[bytes, str], cache: EmbeddingCache, progress: bool) -> dict[bytes, np.ndarray]:
        self._model.load(progress)
        # Texts of like length share a batch, so little is padded. The longest go first: memory runs out early or never.
        order = sorted(missing, key=lambda key: len(missing[key]), reverse=True)
        vectors: dict[bytes, np.ndarray] = {}
        with tqdm(total=len(order), desc="Encoding", unit="text", delay=0.5, disable=not progress) as bar:
            for start in range(0, len(order), self.batch_size):
                keys = order[start : start + self.batch_size]
                rows = self._model.vectors([missing[key] for key in keys])  # (batch, dim)
                cache.put_many(dict(zip(keys, rows, strict=True)))
                # Read back, because a process encoding the same texts may have been first: its numbers stay.
                vectors |= cache.get_many(keys)
                bar.update(len(keys))
        return vectors
