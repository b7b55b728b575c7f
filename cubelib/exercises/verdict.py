"""Reading what a learner's function returned, and putting numbers into words.

Reading is generous: a list, a tuple, a NumPy array or a tensor with the right numbers is a right answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

RELATIVE_TOLERANCE = 1e-4


class Mistake(Exception):
    """What is wrong with a learner's answer, in words that lead to the right one."""


# --- reading ---------------------------------------------------------------------------------------------------------

EXPECTED_ONE = {
    bool: "expected True or False.",
    int: "expected a whole number (int): things are counted here.",
    float: "expected a number.",
}
EXPECTED_TABLE = {
    bool: "expected truth values (torch.bool): a comparison such as cosines < 0.5 gives them.",
    int: "expected whole numbers, not {}: .argmax gives them, .max does not.",
}


def read(value: Any, right: Any) -> Any:
    """The value in the form of the right answer: a bool, an int, a decimal number, or a table of them.

    Raises:
        Mistake: it has another form.

    Example:
        >>> read(torch.tensor(3), right=4), read([0.5], right=0.7)
        (3, tensor(0.5000))
        >>> read([torch.tensor(1.0), torch.tensor(2.0)], right=torch.zeros(2))
        tensor([1., 2.])
        >>> read(3.0, right=4)
        Traceback (most recent call last):
        ...
        cubelib.exercises.verdict.Mistake: expected a whole number (int): things are counted here.
    """
    wanted = torch.as_tensor(right)
    kind = _kind(wanted)
    if wanted.ndim:
        table = numbers(value)
        if kind in EXPECTED_TABLE and _kind(table) is not kind:
            raise Mistake(EXPECTED_TABLE[kind].format(table.dtype))
        return table
    try:
        number = numbers(value)
    except Mistake:
        raise Mistake(EXPECTED_ONE[kind]) from None
    if kind is bool and number.numel() > 1:
        raise Mistake("expected True or False. Use .all().")
    if kind is float and _kind(number) is not bool:
        return number.reshape(()) if number.numel() == 1 else number
    if _kind(number) is not kind or number.numel() != 1:
        raise Mistake(EXPECTED_ONE[kind])
    return number.item()


def numbers(value: Any) -> Tensor:
    """The value as a tensor.

    Raises:
        Mistake: it holds something other than numbers.
    """
    try:
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, Tensor) for item in value):
            value = torch.stack(tuple(value))
        elif hasattr(value, "__array__") and not isinstance(value, Tensor):
            value = np.array(value)  # a copy, since a tensor cannot share a reversed array
        return torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError):
        raise Mistake("expected a torch.Tensor of numbers.") from None


def _kind(table: Tensor) -> type:
    if table.dtype == torch.bool:
        return bool
    return float if table.is_floating_point() else int


# --- comparing -------------------------------------------------------------------------------------------------------


def same(answer: Any, right: Any, tolerance: float = 1e-5) -> bool:
    """Whether two answers are equal but for rounding.

    Args:
        answer: what was read.
        right: what it should be.
        tolerance: the largest difference of two numbers that are the same, beside a ten-thousandth of their size.

    Example:
        >>> same(torch.tensor(0.5), 0.5000001), same([3], [4])
        (True, False)
    """
    if not isinstance(answer, (Tensor, float)) and not isinstance(right, (Tensor, float)):
        return bool(answer == right)
    pair = torch.as_tensor(answer, dtype=torch.float64), torch.as_tensor(right, dtype=torch.float64)
    return torch.allclose(*pair, RELATIVE_TOLERANCE, tolerance, equal_nan=True)


# --- words -----------------------------------------------------------------------------------------------------------


def brief(value: Any) -> str:
    """An argument of a call, or an odd answer, in a few letters.

    Example:
        >>> brief(torch.tensor([[3.0, 4.0]])), brief(torch.zeros(20, 768)), brief([(0, 1, 2)] * 64), brief(0.05)
        ('[[3, 4]]', '20×768 numbers', '[64 items]', '0.05')
    """
    if isinstance(value, (Tensor, np.ndarray)):
        many = numbers(value).numel() > 10
        return "×".join(map(str, value.shape)) + " numbers" if many else _rounded(value.tolist())
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (str, int, list, tuple)):
        text = repr(value)
        return text if len(text) <= 60 or not isinstance(value, Sequence) else f"[{len(value)} items]"
    return "…" if callable(value) else f"a {type(value).__name__}"


def _rounded(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_rounded, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def apart(answer: Any, right: Any) -> tuple[str, str]:
    """Two different answers in words: short ones whole, of long ones the numbers that are farthest apart.

    Example:
        >>> apart(torch.tensor(0.0049887), 0.005)
        ('0.004989', '0.005')
        >>> apart(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]))
        ('[1, 2]', '[1, 3]')
        >>> apart(torch.zeros(4, 4), torch.eye(4) + torch.eye(4)[2])
        ('0 at [2, 2]', '2')
    """
    if isinstance(answer, list) and max(len(answer), len(right)) > 8:
        return _apart_lists(answer, right)
    if not isinstance(answer, Tensor):
        return brief(answer), brief(right)
    wanted = torch.as_tensor(right)
    place: list[int] = []
    if answer.numel() > 8:
        difference = (answer.double() - wanted.double()).abs().nan_to_num(torch.inf)
        place = [int(index) for index in np.unravel_index(int(difference.argmax()), tuple(wanted.shape))]
        answer, wanted = answer[tuple(place)], wanted[tuple(place)]
    words = _rounded(answer.tolist()), _rounded(wanted.tolist())
    for digits in range(5, 10):
        if words[0] == words[1] and not answer.ndim:
            words = f"{answer.item():.{digits}g}", f"{wanted.item():.{digits}g}"
    return (f"{words[0]} at {place}", words[1]) if place else words


def _apart_lists(answer: list[Any], right: list[Any]) -> tuple[str, str]:
    for item in answer:
        if item not in right:
            return f"{len(answer)} items with {item}", f"{len(right)} without it"
    missing = next(item for item in right if item not in answer)
    return f"{len(answer)} items without {missing}", f"{len(right)} with it"
