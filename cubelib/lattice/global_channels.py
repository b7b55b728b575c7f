"""Global channels: a few numbers that the whole front face writes and every cell of the back face reads.

    code = Σ_cell S[0](cell) · W_write(cell)              over the front face           (batch, size)
    S[depth − 1](cell) += code · W_read(cell)             for each cell of the back face

Local messages take time and stay near. Global channels connect all cells of two faces at once, so a core that has them
is *not local*: every cell of the back face may depend on every cell of the front face, whatever the light cone says
about rows and columns. What still holds:

- they are read at tick depth − 1, when the signal arrives, and not before;
- only the back face reads them; all other cells are as they would be without, until in ticks beyond depth − 1 the back
  face tells its neighbors;
- they have no bias: if the front face is silent, so are they;
- dead cells neither write nor read, and a cell that skips its update in training does not read either.

W_read starts at zero, so untrained global channels change nothing. A core with global channels whose cells change
nothing is the low-rank residual adapter, output = input + W_readᵀ W_writeᵀ input, of rank `size`.

Source of the adapter: Hu et al., LoRA, 2021, eq. 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalChannels(nn.Module):
    """Shared channels from the front face to the back face.

    Args:
        face: (rows, columns) of a plane.
        channels: numbers that a cell of the front face writes from and a cell of the back face adds to.
        size: shared channels.

    Example:
        >>> shared = GlobalChannels((8, 8), channels=12, size=4)
        >>> shared.write(torch.randn(2, 8, 8, 12)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self, face: tuple[int, int], channels: int, size: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.size = size
        self.write_weights = nn.Parameter(torch.empty(*face, channels, size))
        self.read_weights = nn.Parameter(torch.empty(*face, size, channels))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Scales W_write so that a front face of unit length writes numbers of about unit size; W_read is zero."""
        with torch.no_grad():
            std = self.write_weights[..., 0].numel() ** -0.5
            self.write_weights.normal_(0.0, std, generator=generator)
            self.read_weights.zero_()

    def write(self, front: Tensor) -> Tensor:
        """The code of a front face, `(batch, rows, columns, channels)` → `(batch, size)`."""
        return front.flatten(1) @ self.write_weights.flatten(0, 2)

    def read(self, code: Tensor) -> Tensor:
        """What the back face adds to its states, `(batch, size)` → `(batch, rows, columns, channels)`."""
        weights = self.read_weights.transpose(2, 3).flatten(0, 2)  # (rows · columns · channels, size)
        read: Tensor = (code @ weights.T).unflatten(1, self.write_weights.shape[:3])
        return read
