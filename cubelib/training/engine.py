"""The engine: Hugging Face Accelerate, which handles device, precision and several processes.

Each process holds the whole cube and takes its shard of every batch. The gradients of all are added up before the
optimizer's step, so the weights stay the same everywhere. A shard's loss is weighted by its part of the batch: the sum
over the processes is what one process would have computed.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from cubelib.errors import ConfigError


class Engine:
    """Where the steps of a training run are computed.

    Args:
        device: of the cube.
        precision: of matrix products: "float32", "bf16", or "auto" for bf16 on a GPU that has it.

    Attributes:
        processes: how many share each batch; more than one under torchrun.
        rank: the index of this process.
        precision_name: "float32" or "bf16".

    Raises:
        ConfigError: this device does not have the precision.

    Example:
        >>> Engine(torch.device("cpu"))
        Engine(cpu, process 1 of 1, float32)
    """

    def __init__(self, device: torch.device, precision: str = "float32") -> None:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState, GradientState

        on_gpu = device.type == "cuda"
        has_bf16 = not on_gpu or torch.cuda.is_bf16_supported()
        if precision == "bf16" and not has_bf16:
            raise ConfigError("precision: this GPU has no bf16. Use precision: float32, or auto.")
        use_bf16 = precision == "bf16" or (precision == "auto" and on_gpu and has_bf16)
        self.precision_name = "bf16" if use_bf16 else "float32"
        if on_gpu:
            torch.cuda.set_device(device)
        # Accelerate keeps one state for the whole Python process and refuses another; a notebook trains many cubes.
        # The processes' connection is torch's own and stays.
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
        self._accelerator = Accelerator(cpu=not on_gpu, mixed_precision="bf16" if use_bf16 else "no")
        self.processes, self.rank = self._accelerator.num_processes, self._accelerator.process_index
        self.device = device
        if self.processes > 1:
            atexit.register(_leave)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and saves."""
        return bool(self.rank == 0)

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """The model and optimizer as the engine runs them: in the chosen precision, with float32 outputs."""
        prepared: tuple[nn.Module, Any] = self._accelerator.prepare(model, optimizer)
        return prepared

    def release(self, model: nn.Module) -> None:
        """Undoes `prepare`."""
        core = self._accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        core.__dict__.pop("forward", None)  # Accelerate leaves the class's own method there

    @property
    def shard(self) -> slice:
        """This process's rows of a batch; empty if there are fewer rows than processes."""
        return slice(self.rank, None, self.processes)

    def no_sync(self, model: nn.Module) -> AbstractContextManager[None]:
        """Skips gradient synchronization; for all but the last batch of an accumulated step."""
        context: AbstractContextManager[None] = self._accelerator.no_sync(model)
        return context

    def backward(self, loss: Tensor) -> None:
        """Gradients of the sum of the processes' losses."""
        self._accelerator.backward(loss * self.processes)  # DistributedDataParallel takes the mean of the gradients

    def clip(self, parameters: list[nn.Parameter], norm: float) -> None:
        """Clips the global gradient norm."""
        self._accelerator.clip_grad_norm_(parameters, norm)

    def sums(self, values: Mapping[str, float]) -> dict[str, float]:
        """Each value, summed over all processes."""
        if self.processes == 1:
            return dict(values)
        message = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(message)
        return dict(zip(values, message.tolist(), strict=True))

    def broadcast(self, value: Any) -> Any:
        """The main process's value, in all processes: no two may decide differently."""
        if self.processes == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def wait(self) -> None:
        """Waits until all processes are here."""
        self._accelerator.wait_for_everyone()

    def __repr__(self) -> str:
        return f"Engine({self.device}, process {self.rank + 1} of {self.processes}, {self.precision_name})"


def _leave() -> None:
    """Leaves the process group; a process that ends without doing so may abort and take the others with it."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
