"""Reading what a learner's function returned, and putting numbers into words.

A reader takes the returned value and gives it in the form that is compared, or raises `Mistake`. Readers are generous:
a list, a tuple, a NumPy array or a tensor with the right numbers is a right answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

RELATIVE_TOLERANCE = 1e-4


class Mistake(Exception):
    """What is wrong with a learner's answer, in words that lead to the right one."""


# --- readers ---------------------------------------------------------------------------------------------------------


def whole_number(value: Any) -> int:
    """The value as an int.

    Raises:
        Mistake: it is no whole number.

    Example:
        >>> whole_number(torch.tensor(3))
        3
        >>> whole_number(3.0)
        Traceback (most recent call last):
        ...
        cubelib.exercises.verdict.Mistake: expected a whole number (int): things are counted here.
    """
    if isinstance(value, (Tensor, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise Mistake("expected a whole number (int): things are counted here.")
    return int(value)


def numbers(value: Any) -> Tensor:
    """The value as a tensor.

    Raises:
        Mistake: it holds something other than numbers.

    Example:
        >>> numbers([torch.tensor(1.0), torch.tensor(2.0)])
        tensor([1., 2.])
    """
    try:
        if isinstance(value, (list, tuple)) and value and all(isinstance(item, Tensor) for item in value):
            value = torch.stack(tuple(value))
        elif hasattr(value, "__array__") and not isinstance(value, Tensor):
            value = np.array(value)  # a copy, since a tensor cannot share a reversed array
        return torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError):
        raise Mistake("expected a torch.Tensor of numbers.") from None


def one_number(value: Any) -> Tensor:
    """The value as a tensor without axes, if it is one number.

    Raises:
        Mistake: it is no number.

    Example:
        >>> one_number([0.5])
        tensor(0.5000)
    """
    try:
        number = numbers(value)
    except Mistake:
        raise Mistake("expected a number.") from None
    if number.dtype == torch.bool:
        raise Mistake("expected a number.")
    return number.reshape(()) if number.numel() == 1 else number


def share(value: Any) -> Tensor:
    """One number, of which the learner knows that it is from 0 to 1."""
    try:
        return one_number(value)
    except Mistake:
        raise Mistake("expected a number from 0 to 1.") from None


def indices(value: Any) -> Tensor:
    """The value as a tensor of whole numbers.

    Raises:
        Mistake: it holds decimal numbers or truth values.

    Example:
        >>> indices(torch.tensor([0.0, 2.0]))
        Traceback (most recent call last):
        ...
        cubelib.exercises.verdict.Mistake: expected whole numbers, not torch.float32: .argmax gives them, .max does not.
    """
    places = numbers(value)
    if places.is_floating_point() or places.dtype == torch.bool:
        raise Mistake(f"expected whole numbers, not {places.dtype}: .argmax gives them, .max does not.")
    return places


def truth(value: Any) -> bool:
    """The value as a bool.

    Raises:
        Mistake: it is neither True nor False.

    Example:
        >>> truth(torch.tensor(True))
        True
    """
    if isinstance(value, (Tensor, np.ndarray)):
        table = numbers(value)
        if table.numel() != 1:
            raise Mistake("expected True or False. Use .all().")
        value = table.item()
    if not isinstance(value, (bool, np.bool_)):
        raise Mistake("expected True or False.")
    return bool(value)


def truths(value: Any) -> Tensor:
    """The value as a tensor of truth values.

    Raises:
        Mistake: it holds something else.

    Example:
        >>> truths([True, False])
        tensor([ True, False])
    """
    table = numbers(value)
    if table.dtype != torch.bool:
        raise Mistake("expected truth values (torch.bool): a comparison such as cosines < 0.5 gives them.")
    return table


# --- comparing -------------------------------------------------------------------------------------------------------


def same(answer: Any, right: Any, tolerance: float) -> bool:
    """Whether two answers are equal but for rounding.

    Args:
        answer: what a reader gave.
        right: what it should be.
        tolerance: the largest difference of two numbers that are the same, beside a ten-thousandth of their size.

    Example:
        >>> same(torch.tensor(0.5), 0.5000001, tolerance=1e-5), same([3], [4], tolerance=1e-5)
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
