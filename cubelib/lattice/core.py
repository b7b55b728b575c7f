"""CubicCore: inject on the front face → conduct + update, tick by tick → read out at the back face.

One tick:

    S[t+1](cell) = carried(S[t])(cell) + update(perceive(S[t], cell))

With conduction, `carried` moves every state one plane toward the back; the back face keeps what has arrived and adds
to it. So the block of numbers written on the front face travels through the lattice by itself, and the cells only add
corrections. Since a cell's update starts at zero, an untrained conducting core without a bottleneck is the identity.

Nothing moves faster than one cell a tick, so at each tick only some planes hold a signal that can still be heard at the
back face: the light cone (`cubelib.lattice.cone`). The core computes only these. At steps = depth − 1 that is one plane
a tick instead of all of them.

Taught in notebook 03.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, overload

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from cubelib.lattice import counts
from cubelib.lattice.cone import group_planes_by_neighbors, light_cone
from cubelib.lattice.global_channels import GlobalChannels
from cubelib.lattice.options import check_options
from cubelib.lattice.perceive import NEIGHBORHOODS
from cubelib.lattice.rule import Rule

# All that has nothing to do with the size of the lattice.
_FREE_OPTIONS = (
    "state_channels", "hidden", "linear_path", "neighborhood", "boundary", "conduction", "persistent", "bottleneck",
    "cell_dropout", "cell_damage", "gradient_checkpointing",
)  # fmt: skip
INIT_STD = 0.1  # where nothing is carried: copies random cubes over four planes after 150 steps (notebook 03)


class CubicCore(nn.Module):
    """A 3-D lattice of cells, each talking only to its neighbors, that transforms a cube of numbers.

    Args:
        lattice_size: (depth, rows, columns), each at least 1.
        in_channels: numbers a cell of the front face receives, and a cell of the back face gives.
        state_channels: numbers in a cell's state, at least in_channels.
        hidden: width of a cell's hidden layer.
        rule: "shared" (one network for all cells), "genome" (the shared network with a gain and bias for each cell) or
            "local" (a network for each cell).
        linear_path: whether a cell also adds a linear map of what it sees, beside its hidden layer. Without it a
            lattice learns several times as slowly.
        neighborhood: "moore" (26 neighbors) or "von_neumann" (6). In depth − 1 ticks a Moore cell of the back face
            can hear every front cell up to depth − 1 rows and columns away; a von Neumann cell only the one linear
            in front of it, and each step aside costs a tick more.
        boundary: what cells on the rim of a plane see outside: "zero", "reflect" or "periodic". Along depth the
            lattice is always open.
        conduction: whether states move one plane a tick by themselves. Without it a signal moves only where the rule
            has learned to copy it: the classic neural cellular automaton; its last layer starts with small random
            numbers, since from silence nothing can be learned.
        persistent: whether the lattice is a memory instead of a passage: the input is written on every plane, nothing
            moves by itself, every plane is computed at every tick, and the output is the mean of all planes.
            Not with a bottleneck or global channels, which belong to a passage.
        steps: ticks, at least depth − 1, or at least 1 for a persistent core; None means depth − 1.
        bottleneck: channels a cell of the middle plane passes on; None means all. It makes the core a bottleneck of
            `latent_dim` numbers.
        global_channels: channels that the whole front face writes to and every cell of the back face reads
            (`cubelib.lattice.global_channels`). With them the core is no longer local. Not with a bottleneck, which
            they would bypass.
        cell_dropout: probability, in training, that a cell skips its update in a tick.
        cell_damage: probability, in training, that a cell is dead: zero at every tick of a call, so that it hands on
            nothing either. Each call draws its dead cells anew, the same for the whole batch. In a persistent core
            they are drawn anew at every tick: a cell is emptied, and lives on.
        gradient_checkpointing: recompute each tick in the backward pass instead of remembering what happened inside.

    Raises:
        ValueError: a size, name or number that cannot work; the message says which, and what to use.

    Shape:
        `(batch, rows, columns, in_channels)` → the same.

    Example:
        >>> core = CubicCore(lattice_size=(8, 8, 8), in_channels=12)
        >>> cube = torch.randn(2, 8, 8, 12)
        >>> torch.equal(core(cube), cube)                    # untrained and without a bottleneck: the identity
        True
    """

    lattice_size: tuple[int, int, int]

    def __init__(
        self,
        lattice_size: tuple[int, int, int] = (8, 8, 8),
        in_channels: int = 12,
        *,
        state_channels: int = 16,
        hidden: int = 32,
        rule: str = "genome",
        linear_path: bool = True,
        neighborhood: str = "moore",
        boundary: str = "zero",
        conduction: bool = True,
        persistent: bool = False,
        steps: int | None = None,
        bottleneck: int | None = None,
        global_channels: int = 0,
        cell_dropout: float = 0.0,
        cell_damage: float = 0.0,
        gradient_checkpointing: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.lattice_size = tuple(lattice_size)  # type: ignore[assignment]
        self.in_channels, self.state_channels, self.hidden = in_channels, state_channels, hidden
        self.linear_path, self.neighborhood = linear_path, neighborhood
        self.boundary, self.conduction, self.persistent = boundary, conduction, persistent
        self.bottleneck, self.gradient_checkpointing = bottleneck, gradient_checkpointing
        self.cell_dropout, self.cell_damage = cell_dropout, cell_damage
        check_options(self, rule, steps, global_channels)
        size = self.lattice_size
        self.steps = size[0] - 1 if steps is None else steps
        self.cone = self._all_planes if persistent else light_cone(size[0], self.steps)
        # If several processes share a batch: (rows of this one, size of the whole). Each draws the dropout of the whole
        # batch, so together they drop the cells that one process would.
        self.batch_shard: tuple[slice, int] | None = None
        self.generator: torch.Generator | None = None  # of dropout and damage in training; None: torch's own
        init_std = 0.0 if conduction or persistent else INIT_STD
        self.rule = Rule(
            rule, size, state_channels, hidden, NEIGHBORHOODS[neighborhood], boundary, linear_path, init_std, generator
        )
        self.global_channels = None
        if global_channels:
            self.global_channels = GlobalChannels(size[1:], in_channels, global_channels, generator)
        self.rule.freeze_unused(self.cone)

    # --- what the core is -------------------------------------------------------------------------------------------

    @property
    def bottleneck_plane(self) -> int:
        """The middle plane. Every way from front to back goes through it, since no signal can jump a plane."""
        return (self.lattice_size[0] - 1) // 2

    @property
    def latent_dim(self) -> int | None:
        """Numbers that pass the bottleneck for one input, or None without a bottleneck (`cubelib.lattice.counts`)."""
        return counts.latent_dim(self)

    @property
    def parameter_count(self) -> int:
        """Parameters that can influence the output in `steps` ticks (`cubelib.lattice.counts`)."""
        return counts.parameter_count(self)

    @property
    def flops_per_sample(self) -> int:
        """Cost of one input, forward: FLOPs of the matrix products in the light cone."""
        return counts.flops_per_sample(self, self.cone)

    @property
    def dense_flops_per_sample(self) -> int:
        """What the same result costs when every plane is computed at every tick."""
        return counts.flops_per_sample(self, self._all_planes)

    def __repr__(self) -> str:
        depth, rows, columns = self.lattice_size
        extras = "no bottleneck"
        if self.bottleneck is not None:
            extras = f"bottleneck {self.bottleneck} → {self.latent_dim:,} numbers"
        if not self.linear_path:
            extras += ", no linear path"
        if self.global_channels is not None:
            extras += f", {self.global_channels.size} global channels"
        return (
            f"CubicCore({depth}×{rows}×{columns} cells, {self.state_channels} channels, {self.rule.kind} rule, "
            f"{self.neighborhood} neighborhood, {self.steps} ticks, {extras}, {self.parameter_count:,} parameters)"
        )

    def resized(
        self, *, depth: int | None = None, rows: int | None = None, columns: int | None = None, steps: int | None = None
    ) -> CubicCore:
        """The same weights on a lattice of another size. Only a shared rule can move: it belongs to no cell.

        Args:
            depth, rows, columns: the new size; None keeps the old.
            steps: ticks. None changes them with the depth, plane for tick; a persistent core keeps its ticks.

        Returns:
            A new core with a copy of the weights. All other options are the same.

        Raises:
            ValueError: a rule or global channels that belong to single cells, or a size that cannot work.

        Example:
            >>> core = CubicCore((8, 8, 8), 12, rule="shared")
            >>> core.resized(depth=16, columns=32)(torch.randn(2, 8, 32, 12)).shape
            torch.Size([2, 8, 32, 12])
        """
        owner = f"{self.rule.kind} rule" if self.global_channels is None else "global channels"
        if owner != "shared rule":
            raise ValueError(
                f"CubicCore.resized: the weights of the {owner} belong to single cells of a lattice of "
                f"{'×'.join(map(str, self.lattice_size))}. Use rule='shared' without global channels for any size."
            )
        wanted = (depth, rows, columns)
        size = tuple(old if new is None else new for old, new in zip(self.lattice_size, wanted, strict=True))
        if steps is None:
            steps = self.steps if self.persistent else self.steps + size[0] - self.lattice_size[0]
        options = {name: getattr(self, name) for name in _FREE_OPTIONS}
        options["generator"] = torch.Generator()  # what it draws is written over
        core = CubicCore(size, self.in_channels, rule="shared", steps=steps, **options)  # type: ignore[arg-type]
        core.to(self.rule.out[0]).load_state_dict(self.state_dict())
        return core.train(self.training)

    @property
    def _all_planes(self) -> list[range]:
        return [range(self.lattice_size[0])] * (self.steps + 1)

    # --- what the core does -----------------------------------------------------------------------------------------

    @overload
    def forward(
        self, cube: Tensor, *, damage: Tensor | None = None, return_states: Literal[False] = False
    ) -> Tensor: ...
    @overload
    def forward(
        self, cube: Tensor, *, damage: Tensor | None = None, return_states: Literal[True]
    ) -> tuple[Tensor, Tensor]: ...
    def forward(
        self, cube: Tensor, *, damage: Tensor | None = None, return_states: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Sends a cube through the lattice.

        Args:
            cube: `(batch, rows, columns, in_channels)`, written on the front face.
            damage: dead cells, a bool mask `(depth, rows, columns)`: a dead cell is always zero. Or one mask a tick,
                `(steps + 1, depth, rows, columns)`: a cell is zero after the ticks at which it is dead, and goes on
                from there. None: none, or in training those that `cell_damage` draws.
            return_states: also return every state of every cell (the dense path: slower, same output).

        Returns:
            The back face, `(batch, rows, columns, in_channels)`; with return_states also the states,
            `(batch, steps + 1, depth, rows, columns, state_channels)`.

        Raises:
            ValueError: a cube or mask of the wrong shape.
            FloatingPointError: the output is no longer finite.
        """
        self._check(cube, damage)
        if damage is None and self.cell_damage and self.training:
            # Nothing of the batch is asked for, so processes that share one, and a seed, draw the same mask.
            ticks = (self.steps + 1,) if self.persistent else ()
            drawn = torch.rand(*ticks, *self.lattice_size, device=cube.device, generator=self.generator)
            damage = drawn < self.cell_damage
        alive = None
        if damage is not None:
            alive = (~damage).to(cube)[..., None, :, :, None].expand(self.steps + 1, -1, -1, -1, -1, -1)
        schedule = self._all_planes if return_states else self.cone
        front = pad(cube, (0, self.state_channels - self.in_channels))[None]  # (1, b, rows, columns, c)
        depth = len(schedule[0])
        written = front.expand(depth, -1, -1, -1, -1) if self.persistent else _pad_planes(front, 0, depth - 1)
        state = self._apply_masks(written, schedule[0], 0, alive)
        states = [state] if return_states else []
        shared_code = (
            None if self.global_channels is None else self.global_channels.write(state[0, ..., : self.in_channels])
        )
        for t, (now, then) in enumerate(pairwise(schedule), start=1):
            acting = self._draw_acting(cube, len(then))
            if self.gradient_checkpointing and torch.is_grad_enabled():
                state = checkpoint(self._tick, state, now, then, t, alive, acting, shared_code, use_reentrant=False)
            else:
                state = self._tick(state, now, then, t, alive, acting, shared_code)
            if return_states:
                states.append(state)
        back = state.mean(0) if self.persistent else state[-1]
        out = back[..., : self.in_channels].contiguous()  # (b, rows, columns, c)
        if not torch.compiler.is_compiling() and not _finite(out.detach()):
            raise FloatingPointError(
                f"CubicCore: the back face holds NaN or infinite numbers after {self.steps} ticks. Input shape "
                f"{tuple(cube.shape)}, {int((~torch.isfinite(cube)).sum())} of its numbers not finite. If the input is "
                "finite, the weights have grown too large: lower the learning rate or clip gradients."
            )
        return (out, torch.stack(states).permute(2, 0, 1, 3, 4, 5)) if return_states else out

    def _draw_acting(self, cube: Tensor, planes: int) -> Tensor | None:
        """Cell dropout of a tick: 0 for a cell that skips its update, `(planes, batch, rows, columns, 1)`.

        Drawn outside of the tick, which gradient checkpointing computes twice.
        """
        if not (self.cell_dropout and self.training):
            return None
        shard, batch_size = self.batch_shard or (slice(None), len(cube))
        kept = cube.new_empty(planes, batch_size, *self.lattice_size[1:], 1)
        return kept.bernoulli_(1.0 - self.cell_dropout, generator=self.generator)[:, shard]

    def _tick(
        self,
        state: Tensor,
        now: range,
        then: range,
        t: int,
        alive: Tensor | None,
        acting: Tensor | None,
        shared_code: Tensor | None,
    ) -> Tensor:
        """S[t−1] on the planes `now` → S[t] on the planes `then`, both (planes, batch, rows, columns, channels)."""
        changes = []
        for planes, depth_offsets in group_planes_by_neighbors(now, then):
            first, last = planes.start - now.start, planes.stop - now.start
            seen = {depth_offset: state[first + depth_offset : last + depth_offset] for depth_offset in depth_offsets}
            changes.append(self.rule.change(seen, planes))
        change = torch.cat(changes) if len(changes) > 1 else changes[0]
        if self.global_channels is not None and shared_code is not None and t == self.lattice_size[0] - 1:
            read = pad(self.global_channels.read(shared_code), (0, self.state_channels - self.in_channels))[None]
            change = change + _pad_planes(read, len(then) - 1, 0)  # the back face is the last of the planes `then`
        if acting is not None:
            # Inverted dropout: what is left is scaled up, so the expected change stays the same at test time.
            change = change * acting / (1.0 - self.cell_dropout)
        return self._apply_masks(self._shift(state, now, then) + change, then, t, alive)

    def _shift(self, state: Tensor, now: range, then: range) -> Tensor:
        """What is there before any cell acts: with conduction the planes moved on by one, else the planes as they are.

        `then` asks for planes that `now` may not hold; those are silent, or cannot matter any more.
        """
        if self.persistent:
            return state
        step = 1 if self.conduction else 0
        first, last = max(then.start - step, now.start), min(then.stop - step, now.stop)
        moved = state[first - now.start : last - now.start]
        moved = _pad_planes(moved, first + step - then.start, then.stop - step - last)
        back = self.lattice_size[0] - 1
        if self.conduction and back in now and back in then:
            moved = moved + _pad_planes(state[-1:], len(then) - 1, 0)  # the back face keeps what has arrived
        return moved

    def _apply_masks(self, state: Tensor, planes: range, t: int, alive: Tensor | None) -> Tensor:
        """Silences what must be silent: planes beyond the signal, channels beyond the bottleneck, dead cells."""
        if planes.stop > t + 1 and not self.persistent:
            reached = torch.arange(planes.start, planes.stop, device=state.device) <= t
            state = state * reached.to(state)[:, None, None, None, None]
        if self.bottleneck is not None and self.bottleneck_plane in planes:
            passes = torch.ones(len(planes), self.state_channels, dtype=state.dtype, device=state.device)
            passes[self.bottleneck_plane - planes.start, self.bottleneck :] = 0
            state = state * passes[:, None, None, None, :]
        return state if alive is None else state * alive[t, planes.start : planes.stop]

    def _check(self, cube: Tensor, damage: Tensor | None) -> None:
        face, weights = (*self.lattice_size[1:], self.in_channels), self.rule.out[0]
        if cube.ndim != 4 or tuple(cube.shape[1:]) != face:
            raise ValueError(
                f"CubicCore: the front face takes (batch, {', '.join(map(str, face))}); got {tuple(cube.shape)}. "
                "EmbeddingReshaper.fold turns vectors into such cubes."
            )
        if cube.dtype != weights.dtype:
            raise ValueError(
                f"CubicCore: the cube is {cube.dtype}, the weights are {weights.dtype}. Use "
                f"cube.to({weights.dtype}) or core.to({cube.dtype})."
            )
        masks = (self.lattice_size, (self.steps + 1, *self.lattice_size))
        if damage is not None and (tuple(damage.shape) not in masks or damage.dtype != torch.bool):
            raise ValueError(
                f"CubicCore: damage is a bool mask of dead cells, shape {self.lattice_size} (depth, rows, columns), or "
                f"{masks[1]} with a mask for each tick; got {damage.dtype}, shape {tuple(damage.shape)}."
            )


def _pad_planes(values: Tensor, before: int, after: int) -> Tensor:
    """Silent planes before and after; without any, the values themselves: padding by nothing would copy them."""
    return pad(values, (0, 0) * 4 + (before, after)) if before or after else values


def _finite(values: Tensor) -> bool:
    # The sum is one quick pass and infinite or NaN if any number is; only where it overflowed by itself look at each.
    return bool(torch.isfinite(values.sum())) or bool(torch.isfinite(values).all())
