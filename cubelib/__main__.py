"""python -m cubelib train CONFIG | evaluate RUN | ask RUN QUESTION | export RUN | encode FILE | corpora | doctor

Exit codes: 0 done; 2 something in the command, configuration or data is to be mended; 1 training failed. One sentence
says what, and what to do.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable

from cubelib import corpora
from cubelib.commands import evaluate, train_command
from cubelib.encode import encode_command, encode_parser
from cubelib.errors import UserError
from cubelib.options import describe
from cubelib.training import processes

USAGE = """\
usage: python -m cubelib train CONFIG [--learning-rate 0.002 --core.rule local …]
       python -m cubelib train --resume RUN [--epochs 80]
       python -m cubelib evaluate RUN [--device cpu --baselines quick --out FOLDER]
       python -m cubelib encode FILE [--columns question,answer --processes 2 …]
       python -m cubelib corpora

  train     train, evaluate and save the cube that a YAML file describes; every setting can be
            given as an option as well (python -m cubelib train --help lists them). --resume goes
            on with a run that was interrupted
  evaluate  print the report of a saved cube again, measured anew; --out also writes its files.
            --baselines: default, quick (without those trained by gradient descent) or none
  encode    turn the texts of a file into a file of vectors; stopped in any way, the same
            command continues (python -m cubelib encode --help lists the options)
  corpora   list the texts that come with the installed packages

example: python -m cubelib train config/cube_training.yaml --mode dialogue
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if {"-h", "--help"} & set(arguments):
        print(_help(name))
        return 0
    wrong = None
    if name not in COMMANDS:
        wrong = f"cubelib: unknown command {name!r}. Use one of {', '.join(COMMANDS)}.\n\n" if name else ""
    elif name == "train" and (not rest or (rest[0].startswith("-") and rest[0].partition("=")[0] != "--resume")):
        wrong = "cubelib train: give one config file, then options; or --resume and the folder of a run.\n\n"
    elif name == "evaluate" and _evaluate_options(rest) is None:
        wrong = "cubelib evaluate: give one checkpoint, then options out of --device, --baselines and --out.\n\n"
    elif name == "corpora" and rest:
        wrong = "cubelib corpora: takes no arguments.\n\n"
    if wrong is not None:
        print(wrong + USAGE, file=sys.stderr)
        return 2
    try:
        if processes.start_missing(arguments):
            return 0
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            COMMANDS[name](rest)
    except (UserError, ModuleNotFoundError) as error:
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"cubelib {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"cubelib {name}: interrupted. {interrupt}".rstrip(), file=sys.stderr)
        return 130
    return 0


def _help(name: str) -> str:
    if name == "train":
        return f"{USAGE}\noptions of train; the value shown holds where CONFIG does not name the key:\n\n{describe()}"
    return encode_parser().format_help() if name == "encode" else USAGE


def _evaluate_options(rest: list[str]) -> dict[str, str] | None:
    """What stands behind the checkpoint, or None where that cannot be understood."""
    words = [part for word in rest[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = words[::2], words[1::2]
    known = len(names) == len(values) == len(set(names)) and set(names) <= {"--device", "--baselines", "--out"}
    if not rest or rest[0].startswith("-") or not known:
        return None
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _show_warning(message: Warning | str, category: type[Warning], *place: object) -> None:
    """A warning for people: what was skipped or cut, without the line of code that noticed."""
    print(
        f"Warning: {message}" if issubclass(category, UserWarning) else f"{category.__name__}: {message}",
        file=sys.stderr,
    )


COMMANDS: dict[str, Callable[[list[str]], object]] = {
    "train": train_command,
    "evaluate": lambda rest: evaluate(rest[0], **(_evaluate_options(rest) or {})),
    "encode": lambda rest: print(encode_command(rest)),
    "corpora": lambda rest: print(corpora.catalog_table()),
}


if __name__ == "__main__":
    if processes.rank() > 0:  # what there is to say, the first process says
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (for as long as it runs)
    sys.exit(main())
