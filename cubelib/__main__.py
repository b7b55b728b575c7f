"""The command line: `python -m cubelib COMMAND`, or `cubelib COMMAND`.

Exit codes: 0 done; 1 training failed, or the doctor found something missing; 2 a mistake in the command, configuration
or data, explained by one sentence on stderr; 130 interrupted (Ctrl-C); 143 terminated (SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from cubelib.errors import ConfigError, UserError

# A thread that waits for another spins for a moment, then sleeps. By default it spins forever, and on a busy machine a
# step takes up to eighty times as long as on an idle one; with this, three times. GNU's OpenMP reads it when torch is
# imported, which none of the imports above does.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

COUNTS = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
TORCHRUN = (*COUNTS, "MASTER_ADDR", "MASTER_PORT")  # the variables that it sets


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C: what was learned is saved."""


def run() -> None:
    """The program `cubelib`: `main`, with the signals and streams of a shell around it."""
    signal.signal(signal.SIGTERM, _terminate)
    if not _speaks():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the program ends)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough: … | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = " ".join(["cubelib", *words[:1]])
    try:
        _check_processes()
    except ConfigError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]  # takes the rest as *_
            return _run_command(words)
    except FloatingPointError as error:
        code, message = 1, str(error)
    except (UserError, ModuleNotFoundError) as error:
        code, message = 2, str(error)
    except Terminated as signaled:
        code, message = 143, f"terminated. {signaled}"
    except KeyboardInterrupt as interrupt:
        code, message = 130, f"interrupted. {interrupt}"
    if _speaks() or code == 1:  # training may fail in one process alone
        print(f"{name}: {message.rstrip()}", file=sys.stderr)
    return code


def _run_command(words: list[str]) -> int:
    import typer

    from cubelib.cli.commands import app

    program = "cubelib" if Path(sys.argv[0]).stem == "cubelib" else "python -m cubelib"
    command = typer.main.get_command(app)
    if not words:
        print(command.get_help(command.context_class(command, info_name=program)), file=sys.stderr)
        return 2
    try:
        with command.make_context(program, list(words)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as error:
        where = getattr(error, "ctx", None)  # of the command that was misunderstood
        subject = where.command_path if where else program
        raise ConfigError(f"{error.format_message().rstrip('.')}. See {subject} --help.") from None
    return 0


def _speaks() -> bool:
    """Whether this is the only process, or the first of several, which would all say the same."""
    return os.environ.get("RANK", "0") == "0"


def _check_processes() -> None:
    """Several processes have to know of each other, or each would train alone and only the first would save."""
    if "RANK" not in os.environ and "WORLD_SIZE" not in os.environ:
        return
    for name in TORCHRUN:
        value = os.environ.get(name, "")
        if not value or (name in COUNTS and not value.isdecimal()):
            raise ConfigError(
                f"{name} is {value!r}, not what torchrun sets. Start several processes with torchrun --standalone "
                f"--nproc-per-node 2 -m cubelib train CONFIG; for a single one unset {', '.join(COUNTS)}."
            )


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """A warning for people: what was skipped or cut, without the line of code that noticed."""
    if _speaks():
        title = "Warning" if issubclass(category, UserWarning) else category.__name__
        print(f"{title}: {message}", file=sys.stderr)


if __name__ == "__main__":
    run()
