"""python -m cubelib train CONFIG | evaluate RUN | ask RUN | export RUN | encode FILE | corpora | doctor

Exit codes: 0 done; 2 something in the command, configuration or data is to be mended; 1 training failed, or the doctor
found something missing. One sentence says what, and what to do.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module

from cubelib.device import rank
from cubelib.errors import UserError

# A thread that waits for the other spins for a moment and then sleeps. By default it spins for ever, and on a busy
# machine a step takes up to eighty times as long as on a quiet one; so, three times. GNU's OpenMP reads this when torch
# is imported, which no import above does.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

USAGE = """\
usage: python -m cubelib train CONFIG [--learning-rate 0.002 --core.rule local …]
       python -m cubelib train --resume RUN [--epochs 80]
       python -m cubelib evaluate RUN [--baselines quick --out FOLDER]
       python -m cubelib ask RUN ["How are you?" --k 5 --bank answers.txt]
       python -m cubelib export RUN --to NAME [--format onnx]
       python -m cubelib encode FILE [--columns question,answer --processes 2 …]
       python -m cubelib corpora
       python -m cubelib doctor [--deep]

  train     train, evaluate and save the cube that a YAML file describes; every setting can be
            given as an option as well. --resume goes on with a run that was interrupted
  evaluate  print the report of a saved cube again, measured anew
  ask       send a question through a trained cube and show the nearest answers
  export    write a trained cube for others: for sentence-transformers, or as ONNX
  encode    turn the texts of a file into a file of vectors
  corpora   list the texts that come with the installed packages
  doctor    say what is installed, what is missing, and the command that mends it

python -m cubelib COMMAND --help has all options of a command.

example: python -m cubelib train config/cube_training.yaml --mode dialogue
"""

COMMANDS = {
    "train": "commands",
    "evaluate": "commands",
    "ask": "ask",
    "export": "export",
    "encode": "encode",
    "corpora": "commands",
    "doctor": "doctor",
}  # name → the module with NAME_command(arguments), and NAME_parser() or NAME_help()


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if name in ("-h", "--help"):
        print(USAGE)
        return 0
    if name not in COMMANDS:
        wrong = f"cubelib: unknown command {name!r}. Use one of {', '.join(COMMANDS)}.\n\n" if name else ""
        print(wrong + USAGE, file=sys.stderr)
        return 2
    try:
        return _run(name, rest)
    except (UserError, ModuleNotFoundError) as error:
        if rank() == 0:  # the others say the same
            print(f"cubelib {name}: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:  # perhaps of one process alone
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"cubelib {name}: interrupted. {interrupt}".rstrip(), file=sys.stderr)
        return 130


def _run(name: str, rest: list[str]) -> int:
    module = import_module(f"cubelib.cli.{COMMANDS[name]}")  # only what this command needs has to be installed
    if {"-h", "--help"} & set(rest):
        parser = getattr(module, f"{name}_parser", None)
        print(parser().format_help() if parser else getattr(module, f"{name}_help")())
        return 0
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        outcome = getattr(module, f"{name}_command")(rest)
    text, well = outcome if isinstance(outcome, tuple) else (outcome, True)
    if text:
        print(text)
    return 0 if well else 1


def _show_warning(message: Warning | str, category: type[Warning], *place: object) -> None:
    """A warning for people: what was skipped or cut, without the line of code that noticed."""
    if rank() > 0:
        return
    print(
        f"Warning: {message}" if issubclass(category, UserWarning) else f"{category.__name__}: {message}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    if rank() > 0:  # what there is to say, the first process says
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for as long as it runs)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # a reader that has seen enough: … | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
