"""What the widgets show: a text through a cube, through damaged cubes, and under all layouts."""

import pytest
import torch
from letter_cubes import DIM, letters, trainer

from cubelib import AnswerBank, CubeTrainer, TeacherEncoder
from cubelib.errors import DataError
from cubelib.training.cube import Cube
from cubelib.views.experiments import encode, forward_trace, layouts, lesion, sensitivity


def cube(**settings):
    made = Cube({"embedding_dim": DIM, "lattice_size": [4, 4, 4], "mode": "dialogue", **settings})
    made.initialize_components()
    made.encoder = TeacherEncoder(letters)
    return made


def talking():
    return trainer(core={"layout": "random"})


def test_a_crossing_ends_where_the_cube_says():
    made = talking()
    found = forward_trace(made, "Good morning")
    (expected,) = made.predict(found.input[None])
    torch.testing.assert_close(found.output, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(found.input, made.embedding_loader.encode(["Good morning"])[0])
    cosine = torch.cosine_similarity(expected, found.input, dim=0)
    assert found.cosine == pytest.approx(cosine.item(), abs=1e-6) and found.cosine < 0.99
    assert found.active_planes == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    torch.testing.assert_close(found.strength, found.states.norm(dim=-1))


def test_a_vector_crosses_as_its_text_does():
    made = talking()
    vector = encode(made, "Hello")
    assert torch.equal(forward_trace(made, vector).output, forward_trace(made, "Hello").output)
    assert torch.equal(forward_trace(made, vector[None]).output, forward_trace(made, "Hello").output)


def test_nothing_comes_out_behind_a_dead_plane():
    dead = torch.zeros(4, 4, 4, dtype=torch.bool)
    dead[2] = True
    found = forward_trace(cube(), "Hello", damage=dead)
    assert not found.output.any() and found.cosine == 0.0 and found.active_planes == [[0], [1], [], []]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "nothing to send"), ("  \n", "nothing to send"), (None, "nothing to send"), (torch.ones(7), "of 48 numbers")],
)
def test_what_cannot_be_sent_gets_a_sentence(text, says):
    with pytest.raises(DataError, match=says):
        encode(cube(), text)


def test_a_teacher_of_another_width_and_no_teacher_are_named():
    made = cube()
    made.encoder = TeacherEncoder(lambda texts: [[1.0, 2.0] for _ in texts])
    with pytest.raises(DataError, match=r"vectors of 48 numbers, but its teacher .* makes 2"):
        encode(made, "Hello")
    with pytest.raises(DataError, match="no teacher yet"):
        encode(CubeTrainer({"embedding_dim": DIM, "lattice_size": [4, 4, 4]}), "Hello")


def test_a_lesion_is_the_same_for_all_cubes_and_leaves_them_as_they_were():
    cubes = {"plain": cube(), "talking": talking()}
    dead = torch.zeros(4, 4, 4, dtype=torch.bool)
    dead[1, 0] = True  # a quarter of a plane
    texts = ["aaa", "bbb", "hello there", "hollow", "zzz"]
    bank = AnswerBank.from_texts(texts, cubes["plain"].embedding_loader)
    found = lesion(cubes, "hello", dead, bank=bank, k=2)
    for name, made in cubes.items():
        one = found[name]
        made.embedding_processor.eval()
        folded = made.embedding_reshaper.fold(one.target[None])
        expected = made.embedding_reshaper.unfold(made.embedding_processor(folded, damage=dead))[0]
        assert torch.equal(one.output, expected.detach())
        assert torch.equal(one.whole, made.predict(one.target[None])[0])
        assert one.before == bank.nearest(one.whole[None], 2)[0] and one.after == bank.nearest(one.output[None], 2)[0]
        assert one.kept == len({a.index for a in one.before} & {a.index for a in one.after})
    assert found["plain"].cosine_before == pytest.approx(1.0, abs=1e-6) and found["plain"].cosine < 0.98
    assert lesion(cubes, "hello", torch.zeros(4, 4, 4, dtype=torch.bool))["plain"].cosine == pytest.approx(1.0)


def test_a_lesion_needs_a_cube_and_a_mask_of_its_lattice():
    with pytest.raises(DataError, match="no cube to damage"):
        lesion({}, "hello", torch.zeros(4, 4, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="damage is a bool mask"):
        lesion({"plain": cube()}, "hello", torch.zeros(3, 4, 4, dtype=torch.bool))


def test_every_layout_is_there_and_undoes_itself():
    vectors = torch.randn(60, DIM, generator=torch.Generator().manual_seed(1))
    found = layouts(DIM, vectors, face=(4, 4), seed=3)
    assert list(found) == ["row_major", "channel_major", "random", "spectral", "pca"]
    for reshaper in found.values():
        assert reshaper.fitted and reshaper.cube_shape == (4, 4, 3)
        torch.testing.assert_close(reshaper.unfold(reshaper.fold(vectors)), vectors, rtol=0, atol=1e-5)


def test_one_number_is_noticed_by_one_cell_unless_the_layout_turns():
    vectors = torch.randn(60, DIM, generator=torch.Generator().manual_seed(1))
    found = sensitivity(layouts(DIM, vectors, face=(4, 4)), vectors[0], number=7, change=0.5)
    assert found["row_major"].nonzero().tolist() == [[0, 2]]  # 7 is in the third cell of 3 numbers
    assert found["channel_major"].nonzero().tolist() == [[1, 3]]
    for name in ("row_major", "channel_major", "random", "spectral"):
        assert int((found[name] > 0).sum()) == 1 and float(found[name].sum()) == pytest.approx(0.5, abs=1e-6)
    assert int((found["pca"] > 1e-6).sum()) > 8
    assert float(found["pca"].square().sum()) == pytest.approx(0.25, abs=1e-5)  # a turn keeps lengths
    with pytest.raises(DataError, match="numbers 0 to 47; got number=48"):
        sensitivity({}, vectors[0], 48)
