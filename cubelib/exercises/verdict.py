"""What all exercise checks share: run the checks in order, stop at the first mistake, say it in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor


class Mistake(Exception):
    """What is wrong with a learner's function, in words that lead to the answer."""


def judge(exercise: str, function: Callable[..., Any], checks: Sequence[Callable[[Callable[..., Any]], None]]) -> None:
    """Runs checks on a learner's function and prints one line: not solved yet, what is wrong, or all passed.

    Args:
        exercise: its number, such as "4.1".
        function: the learner's. While it raises NotImplementedError the exercise is not solved yet; any other error is
            the learner's own and is shown as it is.
        checks: each takes the function and raises Mistake; the most basic first.

    Example:
        >>> def is_even(check_me):
        ...     if check_me(2) is not True:
        ...         raise Mistake("2 is even.")
        >>> judge("0.1", lambda number: number % 2 == 0, [is_even])
        Exercise 0.1: all 1 checks passed.
        >>> judge("0.1", lambda number: False, [is_even])
        Exercise 0.1: check 1 of 1 does not pass. 2 is even.
    """
    for number, check in enumerate(checks, start=1):
        try:
            check(function)
        except NotImplementedError:
            print(f"Exercise {exercise}: not solved yet.")
            return
        except Mistake as mistake:
            print(f"Exercise {exercise}: check {number} of {len(checks)} does not pass. {mistake}")
            return
    print(f"Exercise {exercise}: all {len(checks)} checks passed.")


def expect_tensor(value: Any, shape: tuple[int, ...], call: str, hint: str) -> Tensor:
    """The value if it is a tensor of that shape.

    Args:
        value: what the learner's function returned.
        shape: the right shape.
        call: how the function was called, for the message.
        hint: what to do about a wrong shape.

    Raises:
        Mistake: nothing, something else or another shape was returned.

    Example:
        >>> expect_tensor(torch.zeros(2), (3,), "f(x)", "One number for each row.")
        Traceback (most recent call last):
        ...
        cubelib.exercises.verdict.Mistake: f(x) has shape (2,), expected (3,). One number for each row.
    """
    if value is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if not isinstance(value, Tensor):
        raise Mistake(f"{call} gives a {type(value).__name__}, expected a torch.Tensor of shape {shape}. {hint}")
    if tuple(value.shape) != shape:
        raise Mistake(f"{call} has shape {tuple(value.shape)}, expected {shape}. {hint}")
    if not torch.isfinite(value).all():
        raise Mistake(f"{call} holds NaN or infinite numbers. Is something divided by zero?")
    return value


def expect_whole_number(value: Any, call: str) -> int:
    """The value if it is a whole number.

    Args:
        value: what the learner's function returned.
        call: how the function was called, for the message.

    Raises:
        Mistake: nothing or something else was returned.

    Example:
        >>> expect_whole_number(3.0, "cells(3)")
        Traceback (most recent call last):
        ...
        cubelib.exercises.verdict.Mistake: cells(3) gives 3.0, expected a whole number (int): things are counted here.
    """
    if value is None:
        raise Mistake(f"{call} gives None: is there a return at the end?")
    if isinstance(value, bool) or not isinstance(value, int):
        raise Mistake(f"{call} gives {value!r}, expected a whole number (int): things are counted here.")
    return value


def in_groups(expect: Callable[..., None], *groups: Iterable[tuple[Any, ...]]) -> list[Callable[[Any], None]]:
    """A check for each group of cases.

    Args:
        expect: takes the learner's function and a case, and raises Mistake.
        groups: the cases of each check, each a tuple of what `expect` takes after the function.

    Example:
        >>> def expect_double(function, number):
        ...     if function(number) != 2 * number:
        ...         raise Mistake(f"Twice {number} is {2 * number}.")
        >>> judge("0.1", lambda number: 2, in_groups(expect_double, [(1,)], [(2,), (3,)]))
        Exercise 0.1: check 2 of 2 does not pass. Twice 2 is 4.
    """

    def all_right(cases: list[tuple[Any, ...]], function: Callable[..., Any]) -> None:
        for case in cases:
            expect(function, *case)

    return [partial(all_right, list(cases)) for cases in groups]
