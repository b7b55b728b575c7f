"""A trained cube for others to use: as a sentence-transformers model, or as an ONNX file.

How to, and what does not travel: docs/export.md.
"""

from typing import Any

from cubelib.inference.export.onnx_file import OnnxExport, export_onnx
from cubelib.inference.export.sentence_transformer import save_sentence_transformer, to_sentence_transformer

__all__ = [
    "CubeModule",
    "OnnxExport",
    "export_onnx",
    "save_sentence_transformer",
    "to_sentence_transformer",
]


def __getattr__(name: str) -> Any:
    if name == "CubeModule":  # it stands on sentence-transformers, which takes seconds to import
        from cubelib.inference.export.cube_module import CubeModule

        return CubeModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
