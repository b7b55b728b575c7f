"""The field: a few numbers that the whole front face writes together and every cell of the back face hears.

    f = Σ_cell S[0](cell) · W_write(cell)                 over the front face           (batch, field)
    S[depth − 1](cell) += f · W_answer(cell)              for each cell of the back face

Local messages need time and stay near; the field joins all cells of two faces at once, so a core with a field is *not
local*: every cell of the back face may hear every cell of the front face, and the light cone says nothing about rows
and columns any more. What still holds:

- depth takes its time: the field is heard at tick depth − 1, when the signal arrives, and not before;
- only the back face hears it, so all other cells are what they are without it, until, in ticks beyond depth − 1,
  the back face tells its neighbors;
- it has no bias: where the front face is silent, it is silent;
- dead cells neither write nor hear, and a cell that skips its update in training does not hear either.

W_answer starts at zero: an untrained field says nothing. A core with a field whose cells change nothing is the low-rank
residual adapter, output = input + W_answerᵀ W_writeᵀ input, of rank `field`.

Taught in notebook 03. Source of the adapter: Hu et al., LoRA, 2021, eq. 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Field(nn.Module):
    """Shared channels from the front face to the back face.

    Args:
        face: (rows, columns) of a plane.
        channels: numbers that a cell of the front face writes from and a cell of the back face adds to.
        size: shared channels.

    Example:
        >>> field = Field((8, 8), channels=12, size=4)
        >>> field.write(torch.randn(2, 8, 8, 12)).shape
        torch.Size([2, 4])
    """

    def __init__(self, face: tuple[int, int], channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.writing = nn.Parameter(torch.empty(*face, channels, size))
        self.answering = nn.Parameter(torch.empty(*face, size, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A front face of unit length writes numbers of unit variance, over √(numbers of the face); no answer."""
        with torch.no_grad():
            self.writing.normal_(0.0, self.writing[..., 0].numel() ** -0.5)
            self.answering.zero_()

    def write(self, front: Tensor) -> Tensor:
        """What the front face `(batch, rows, columns, channels)` says all together, `(batch, size)`."""
        return front.flatten(1) @ self.writing.flatten(0, 2)

    def answer(self, said: Tensor) -> Tensor:
        """What each cell of the back face adds to its state, `(batch, rows, columns, channels)`."""
        weights = self.answering.transpose(2, 3).flatten(0, 2)  # (rows · columns · channels, size)
        return (said @ weights.T).unflatten(1, self.writing.shape[:3])
