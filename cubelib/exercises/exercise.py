"""An exercise as data: the right answer, the cases on which it is checked, and the slips that are known by name."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cubelib.exercises.progress import after_passing
from cubelib.exercises.verdict import Mistake, apart, brief, read, same

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One call of a learner's function.

    Args:
        inputs: the arguments of the call.
        says: what is special about the case; it opens the message.
        hint: what to say where no known slip fits; empty for the hint of the exercise.
        view: the part of the answer that is compared, if not all of it, such as the lengths of its rows.
        only_shape: True if the numbers are left to a later case.
    """

    inputs: tuple[Any, ...]
    says: str = ""
    hint: str = ""
    view: Function | None = None
    only_shape: bool = False


def cases(*inputs: tuple[Any, ...]) -> list[Case]:
    """A check of cases that have nothing to be said about them."""
    return [Case(arguments) for arguments in inputs]


@dataclass(frozen=True)
class Exercise:
    """An exercise. Calling it with a learner's function prints one line: not solved yet, what is wrong, or all passed.

    It returns the function to go on with: the learner's once it passes, until then the right answer.

    A slip is named only if it gives the very answer of the learner, and passes where the learner has passed.

    Args:
        number: as in the notebook, such as "4.1".
        about: the call, an arrow, and what it gives: "double(number) → twice the number".
        right: the right answer, a function of the inputs; what a learner returns is read in its form.
        checks: gives the checks, the most basic first, each a list of cases.
        slips: gives, for the inputs, each diagnosis with the answer of the slip; the first that fits is said.
        hint: what to say where no slip fits.
        errors: what to say before an error of that kind in the learner's code is shown.
        returns: reads what the function returned, or raises Mistake, where the form of `right` does not say it all.
        same: says whether two answers are the same but for rounding.

    Example:
        >>> double = Exercise(
        ...     "0.1",
        ...     "double(number) → twice the number",
        ...     right=lambda number: 2 * number,
        ...     checks=lambda: [cases((2,), (3,)), cases((-1,))],
        ...     slips=lambda number: {"That is the square.": number**2},
        ...     hint="Add the number to itself.",
        ... )
        >>> mine = double(lambda number: number**2)
        Exercise 0.1: check 1 of 2 does not pass. double(3) gives 9, expected 6. That is the square.
        >>> mine = double(lambda number: abs(2 * number))
        Exercise 0.1: check 2 of 2 does not pass. double(-1) gives 2, expected -2. Add the number to itself.
        >>> mine(21)  # the notebook goes on with the right answer
        42
        >>> mine = double(lambda number: number + number)
        Exercise 0.1: all 2 checks passed.
    """

    number: str
    about: str
    right: Function
    checks: Callable[[], Sequence[Sequence[Case]]]
    slips: Callable[..., Mapping[str, Any]] = lambda *inputs: {}
    hint: str = ""
    errors: Mapping[type[Exception], str] = field(default_factory=dict)
    returns: Function | None = None
    same: Callable[[Any, Any], bool] = same

    def __call__(self, function: Function) -> Function:
        """Checks a learner's function and prints the verdict; in a notebook, also what is solved of the course.

        Args:
            function: the learner's. While it raises NotImplementedError the exercise is not solved yet; any other
                error is the learner's own and is shown as it is.

        Returns:
            The learner's function if it passes, with its results in the form of the right ones, a tensor for a list;
            otherwise the right answer.
        """
        if function is self.right:  # the cell of the check is run again, and that of the function is not
            print(f"Exercise {self.number}: not solved yet. Run the cell with your function, then this one.")
            return function
        checks = self.checks()
        passed: list[Case] = []
        for number, check in enumerate(checks, start=1):
            try:
                for case in check:
                    self._expect(function, case, passed)
                    passed.append(case)
            except NotImplementedError:
                print(f"Exercise {self.number}: not solved yet.")
                return self.right
            except Mistake as mistake:
                print(f"Exercise {self.number}: check {number} of {len(checks)} does not pass. {mistake}".rstrip())
                return self.right
            except tuple(self.errors) as error:
                advice = next(advice for kind, advice in self.errors.items() if isinstance(error, kind))
                print(f"Exercise {self.number}: check {number} of {len(checks)} stops with an error. {advice}")
                raise
        print(f"Exercise {self.number}: all {len(checks)} checks passed.")
        after_passing(self, self.number)
        return self._in_form(function, checks[0][0])

    def _in_form(self, function: Function, case: Case) -> Function:
        """The learner's function, read as its answers were read: later cells count on tensors and whole numbers."""
        right = self.right(*copy.deepcopy(case.inputs))

        @functools.wraps(function)
        def in_form(*inputs: Any) -> Any:
            answer = function(*inputs)
            if isinstance(answer, type(right)):
                return answer
            return self._read(answer, right)

        return in_form

    def _read(self, answer: Any, right: Any) -> Any:
        """What the function returned, in the form of the right answer; raises Mistake if it has another."""
        return self.returns(answer) if self.returns else read(answer, right)

    def __repr__(self) -> str:
        return f"Exercise {self.number}: {self.about}"

    def _expect(self, function: Function, case: Case, passed: Sequence[Case]) -> None:
        """Raises Mistake unless the function gives the right answer to a case."""
        call = f"{self.about.split('(')[0]}({', '.join(map(brief, case.inputs))})"
        answer = function(*copy.deepcopy(case.inputs))
        if answer is None:
            raise Mistake(f"{call} gives None: is there a return at the end?")
        right = self.right(*case.inputs)
        try:
            answer = self._read(answer, right)
        except Mistake as mistake:
            raise Mistake(f"{call} gives {brief(answer)}, {mistake}") from None
        if self._agree(answer, right, case):
            return
        hint = self._known_slip(answer, case, passed) or case.hint or self.hint
        if _shape(answer) != _shape(right):
            expected = _shape(right) or "one number"
            raise Mistake(f"{call} has shape {_shape(answer)}, expected {expected}. {hint}")
        if case.view:
            call, answer, right = f"{case.view.__name__}({call})", case.view(answer), case.view(right)
        opening = f"{case.says}: " if case.says else ""
        given, expected = apart(answer, right)
        raise Mistake(f"{opening}{call} gives {given}, expected {expected}. {hint}")

    def _known_slip(self, answer: Any, case: Case, passed: Sequence[Case]) -> str:
        """The first slip that gives this answer, or this wrong shape, and passes where the learner has passed."""
        has_right_shape = _shape(answer) == _shape(self.right(*case.inputs))
        for diagnosis, slip in self.slips(*case.inputs).items():
            fits = self._agree(answer, slip, case) if has_right_shape else _shape(answer) == _shape(slip)
            if fits and not any(self._catches(earlier, diagnosis) for earlier in passed):
                return diagnosis
        if isinstance(answer, Tensor) and not answer.double().isfinite().all():
            return "Is something divided by zero, or the logarithm of zero taken?"
        return ""

    def _catches(self, case: Case, diagnosis: str) -> bool:
        right, slips = self.right(*case.inputs), self.slips(*case.inputs)
        return diagnosis in slips and not self._agree(slips[diagnosis], right, case)

    def _agree(self, left: Any, right: Any, case: Case) -> bool:
        """Whether two answers to a case are the same, as far as the case looks at them."""
        if _shape(left) != _shape(right):
            return False
        if case.view:
            left, right = case.view(left), case.view(right)
        return case.only_shape or self.same(left, right)


def _shape(answer: Any) -> tuple[int, ...]:
    return tuple(answer.shape) if isinstance(answer, Tensor) else ()


# --- random vectors on which answers are checked, the same in every run ----------------------------------------------


def random_vectors(rows: int, columns: int, seed: int) -> Tensor:
    """Vectors in random directions, each of another length.

    Args:
        rows: how many.
        columns: numbers of each.
        seed: another one gives other vectors.

    Returns:
        `(rows, columns)`; lengths from 0.5 to 4.5.

    Example:
        >>> random_vectors(20, 768, seed=1).norm(dim=1).std() > 0.5
        tensor(True)
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = 0.5 + 4 * torch.rand(rows, 1, generator=generator)
    return lengths * normalize(torch.randn(rows, columns, generator=generator))


def cosines_of(left: Tensor, right: Tensor) -> Tensor:
    """The cosine of each row of `left` `(n, dim)` with each row of `right` `(m, dim)` → `(n, m)`."""
    return (normalize(left.double()) @ normalize(right.double()).T).float()


# --- ties, counted one way in notebooks 05 and 06 ---------------------------------------------------------------------


def tie_slips(closer: Tensor, tied: Tensor) -> dict[str, Tensor]:
    """The wrong reciprocal ranks of answers that tie with others, by what there is to say about them.

    Args:
        closer: `(n,)`, answers before the tied ones.
        tied: `(n,)`, answers that are equally close, the right one among them.

    Returns:
        Diagnosis → `(n,)`.

    Example:
        >>> slips = tie_slips(torch.tensor([0]), torch.tensor([3]))
        >>> [round(answer.item(), 2) for answer in slips.values()]     # right is (1 + 1/2 + 1/3) / 3
        [1.0, 0.33, 0.5]
    """
    each = "Each of the tied places is as likely: average 1/place over them."
    return {
        f"You count ties for the model, so silence wins. {each}": 1 / (closer + 1),
        f"You count ties against the model, so silence is worse than guessing. {each}": 1 / (closer + tied),
        "You average the tied places, then divide. Divide first: average their reciprocals.": (
            1 / (closer + (tied + 1) / 2)
        ),
    }
