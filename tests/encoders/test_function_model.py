"""Any function as a TeacherEncoder: what it may give, what is refused, and when it is cached."""

import re

import numpy as np
import pytest
import torch

from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError, DataError

TEXTS = ["one", "two words", "three words here", "one"]


def letters(texts: list[str]) -> np.ndarray:
    """How often a, e and o occur, and the length: `(n, 4)`."""
    assert type(texts) is list
    return np.array([[text.count("a"), text.count("e"), text.count("o"), len(text)] for text in texts])


def expected(texts: list[str]) -> torch.Tensor:
    rows = torch.tensor(letters(texts), dtype=torch.float32)
    return rows / rows.norm(dim=1, keepdim=True)


class Counting:
    """A callable object that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, texts):
        self.asked.append(texts)
        return letters(texts)


FORMS = [
    np.ndarray.tolist,
    lambda rows: rows.astype(np.float16),
    lambda rows: torch.tensor(rows, dtype=torch.bfloat16),
    lambda rows: torch.tensor(rows, dtype=torch.float64, requires_grad=True),
    lambda rows: 1e30 * rows.astype(np.float64),
]


@pytest.mark.parametrize("form", FORMS)
def test_whatever_holds_numbers_becomes_unit_float32(form, tmp_path):
    encoder = TeacherEncoder(lambda texts: form(letters(texts)), cache_dir=tmp_path, batch_size=2)
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors, expected(TEXTS))
    assert (encoder.dim, encoder.hits, encoder.misses, encoder.truncated) == (4, 1, 3, 0)


def test_without_a_name_nothing_is_cached_and_the_repr_says_so(tmp_path):
    function = Counting()
    encoder = TeacherEncoder(function, cache_dir=tmp_path / "untouched")
    for _ in range(2):
        torch.testing.assert_close(encoder.encode(TEXTS), expected(TEXTS))
        assert encoder.misses == 3
    assert len(function.asked) == 2
    assert encoder.sha256 is None
    assert not (tmp_path / "untouched").exists()
    assert repr(encoder) == (
        "TeacherEncoder(Counting, 4 numbers, a function, cached nowhere as it was given no name=...; "
        "last encode: 1 from the cache, 3 encoded)"
    )


def test_with_a_name_the_cache_is_asked_first(tmp_path):
    first = TeacherEncoder(letters, name="letters-v1", cache_dir=tmp_path).encode(TEXTS)
    function = Counting()
    encoder = TeacherEncoder(function, name="letters-v1", cache_dir=tmp_path)
    assert encoder.encode(TEXTS).equal(first)
    assert (function.asked, encoder.dim, encoder.hits) == ([["text"]], 4, 4)  # whether it is the same function
    assert "letters-v1, 4 numbers, a function, cached under this name" in repr(encoder)
    other = TeacherEncoder(function, name="letters-v2", cache_dir=tmp_path)
    other.encode(TEXTS)
    assert (other.misses, len(function.asked)) == (3, 3)  # the texts, and the one that will tell


def test_a_name_stands_for_one_function(tmp_path):
    cached = TeacherEncoder(letters, name="mine", cache_dir=tmp_path).encode(TEXTS)
    for other in (lambda texts: letters(texts)[:, ::-1], lambda texts: letters(texts)[:, :3]):
        for texts in (TEXTS, ["unknown so far"]):
            with pytest.raises(DataError, match=r"stored under 'mine' in .* are from another function .* another name"):
                TeacherEncoder(other, name="mine", cache_dir=tmp_path).encode(texts)
    rounded = TeacherEncoder(lambda texts: letters(texts) + 1e-3, name="mine", cache_dir=tmp_path)
    assert rounded.encode(TEXTS).equal(cached)

    def offline(texts):
        raise ConnectionError("no route")

    with pytest.warns(UserWarning, match=r"mine cannot be called \(no route\), so whether its"):
        assert TeacherEncoder(offline, name="mine", cache_dir=tmp_path).encode(TEXTS).equal(cached)


def test_texts_come_in_batches_longest_first_and_one_tells_the_width(tmp_path):
    function = Counting()
    encoder = TeacherEncoder(function, cache_dir=tmp_path, batch_size=2)
    assert "numbers not known yet" in repr(encoder)
    encoder.encode(TEXTS)
    assert function.asked == [["three words here", "two words"], ["one"]]
    function.asked.clear()
    assert [TeacherEncoder(function, name="mine", cache_dir=tmp_path).dim for _ in range(3)] == [4, 4, 4]
    assert function.asked == 3 * [["text"]]  # the first for the cache, the others to compare
    assert TeacherEncoder(function, cache_dir=tmp_path).encode([]).shape == (0, 4)


BAD_ROWS = [
    (lambda rows: rows[:-1], "made int64 (2, 4), expected real numbers (3, dim)"),
    (lambda rows: rows[0], "made int64 (4,)"),
    (lambda rows: rows[:, :0], "made int64 (3, 0)"),
    (lambda rows: None, "made object ()"),
    (lambda rows: [[1.0], [1.0, 2.0], [1.0]], "did not make a table of numbers"),
    (lambda rows: rows.astype(str), "made <U21 (3, 4)"),
    (lambda rows: rows * 1j, "made complex128"),
    (lambda rows: rows * 0, "zero or not finite"),
    (lambda rows: rows * np.nan, "zero or not finite"),
    (lambda rows: np.where(rows > 4, np.inf, 1), "zero or not finite"),
]


@pytest.mark.parametrize(("change", "message"), BAD_ROWS)
def test_what_is_no_row_for_each_text_is_refused_and_not_stored(change, message, tmp_path):
    encoder = TeacherEncoder(lambda texts: change(letters(texts)), name="bad", cache_dir=tmp_path)
    with pytest.raises(DataError, match=re.escape(message)):
        encoder.encode(TEXTS)
    good = TeacherEncoder(letters, name="bad", cache_dir=tmp_path)
    good.encode(TEXTS)
    assert good.misses == 3


def test_a_width_that_changes_between_batches_is_noticed(tmp_path):
    widths = iter([4, 3])
    encoder = TeacherEncoder(lambda texts: letters(texts)[:, : next(widths)], cache_dir=tmp_path, batch_size=2)
    with pytest.raises(DataError, match="made vectors of 3 numbers, and earlier ones had 4"):
        encoder.encode(TEXTS)


def test_what_a_function_cannot_have_is_refused():
    for name in ("", 7):
        with pytest.raises(ConfigError, match=f"{name!r} is not a name for a function"):
            TeacherEncoder(letters, name=name)
    with pytest.raises(ConfigError, match=r"a function takes no device\. Given device='cuda'"):
        TeacherEncoder(letters, device="cuda")
