"""Several processes on one command line: which of them this is, and what `accelerate launch` leaves out.

`torchrun` and `accelerate launch` start the same command several times and tell each its rank through the environment.
Without two GPUs `accelerate launch --num_processes 2` starts one process only and says nothing; the command then starts
them itself, as torchrun does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cubelib.errors import ConfigError


def rank() -> int:
    """The number of this process among all that share the work, 0 where it is alone."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int | None:
    """The number of this process among those on this machine, None where it is alone."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None


def start_missing(arguments: Sequence[str]) -> bool:
    """Starts the processes that `accelerate launch` was asked for and did not start; False where there are none.

    Args:
        arguments: of the command, to be started with in each process.

    Raises:
        ConfigError: it cannot be found out how many were asked for.
    """
    # The launcher sets the port as soon as several are asked for, and the world's size only where it starts them.
    asked = {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= os.environ.keys() and "WORLD_SIZE" not in os.environ
    if not asked:
        return False
    import psutil
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import main as torchrun

    line = psutil.Process().parent().cmdline()
    try:
        count = launch_command_parser().parse_args(line[line.index("launch") + 1 :]).num_processes
    except (ValueError, SystemExit):
        count = None
    if not count:
        raise ConfigError(
            "accelerate launch started one process though several were asked for; without several GPUs it starts "
            "one. Type: torchrun --standalone --nproc-per-node 2 -m cubelib train …"
        )
    torchrun(["--standalone", "--nproc-per-node", str(count), "-m", "cubelib", *arguments])
    return True
