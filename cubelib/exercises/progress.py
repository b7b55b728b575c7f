"""What a learner has solved, kept on this computer and nowhere else.

A check of the course that passes in a notebook leaves a small file in the folder `progress` of the cache, one for each
exercise, so that two notebooks can be open at once. Nothing depends on these files: delete the folder to start anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from cubelib.encoders.cache import cache_folder
from cubelib.errors import UserError
from cubelib.files import reason, written_aside

ENROLLED: dict[str, object] = {}  # number → exercise; `cubelib.exercises` fills it with those of the course


class Progress:
    """The solved exercises of a course.

    Args:
        numbers: of all exercises of the course, such as "4.1".
        folder: where the files are; by default `progress` in the cache folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     progress = Progress(["0.1", "0.2", "1.1"], Path(folder))
        ...     progress.add("0.1")
        ...     print(progress.line("0.1"))
        Solved: 1 of 3 (notebook 00: 1 of 2).
    """

    def __init__(self, numbers: Iterable[str], folder: Path | None = None) -> None:
        self.numbers = sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])
        self.folder = cache_folder() / "progress" if folder is None else folder

    def add(self, number: str) -> None:
        """Notes that an exercise is solved.

        Raises:
            OSError: the folder cannot be written.
        """
        with written_aside(self._file(number), replace=True) as aside:
            aside.write_text(json.dumps({"exercise": number}), encoding="utf-8")

    def solved(self) -> list[str]:
        """The numbers of the solved exercises. A damaged file is removed, and a line is printed about it."""
        return [number for number in self.numbers if self._is_solved(number)]

    def line(self, number: str) -> str:
        """How far the learner is, in the course and in the notebook of an exercise."""
        solved, notebook = self.solved(), notebook_of(number)
        here = [number for number in self.numbers if notebook_of(number) == notebook]
        solved_here = [number for number in solved if number in here]
        return f"Solved: {len(solved)} of {len(self.numbers)} (notebook {notebook}: {len(solved_here)} of {len(here)})."

    def table(self) -> str:
        """A line for each notebook: how many exercises are solved, and which are open."""
        solved = self.solved()
        lines = [f"{'notebook':<10}{'solved':<10}still open"]
        for notebook in dict.fromkeys(map(notebook_of, self.numbers)):
            here = [number for number in self.numbers if notebook_of(number) == notebook]
            still_open = [number for number in here if number not in solved]
            count = f"{len(here) - len(still_open)} of {len(here)}"
            lines.append(f"{notebook:<10}{count:<10}{', '.join(still_open)}".rstrip())
        return "\n".join([*lines, "", f"Solved: {len(solved)} of {len(self.numbers)}. Kept in {self.folder}"])

    def reset(self) -> int:
        """Forgets what was solved.

        Returns:
            The number of exercises that had been solved.

        Raises:
            UserError: the files cannot be removed.
        """
        count = len(self.solved())
        try:
            for number in self.numbers:
                self._file(number).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"Progress: cannot empty {self.folder} ({reason(error)}). Delete it by hand.") from error
        return count

    def _file(self, number: str) -> Path:
        return self.folder / f"{number}.json"

    def _is_solved(self, number: str) -> bool:
        file = self._file(number)
        try:
            if json.loads(file.read_bytes())["exercise"] == number:
                return True
        except OSError:  # not solved yet, or not for us to read
            return False
        except (ValueError, KeyError, TypeError):
            pass
        print(f"Progress: {file} was damaged. Exercise {number} counts as open until its check passes again.")
        with suppress(OSError):
            file.unlink()
        return False


def notebook_of(number: str) -> str:
    """The notebook of an exercise.

    Example:
        >>> notebook_of("4.1")
        '04'
    """
    return number.split(".")[0].zfill(2)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this: scripts and tests leave no trace in a learner's progress."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def after_passing(exercise: object, number: str) -> None:
    """Keeps that an exercise of the course was solved in a notebook, and prints how far the learner is.

    Where the folder cannot be written, says so once and goes on.

    Args:
        exercise: that passed; one that is not of the course leaves no trace.
        number: of it.
    """
    if ENROLLED.get(number) is not exercise or not in_notebook():
        return
    progress = Progress(ENROLLED)
    try:
        progress.add(number)
    except OSError as error:
        _say_once(
            f"(Your progress is not kept: cannot write {progress.folder}, {reason(error)}. The exercises work all the "
            "same. CUBELIB_CACHE can name another folder.)"
        )
    else:
        print(progress.line(number))


@cache
def _say_once(message: str) -> None:
    print(message)
