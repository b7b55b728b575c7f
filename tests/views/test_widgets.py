"""The widgets without a browser: a control is moved, and what is shown is what the plain functions say."""

import html
import itertools
import time

import numpy as np
import pytest
import torch
from letter_cubes import DIM, MARKUP, trainer, vectors

from cubelib import AnswerBank, AutoencoderDataset, CubeTrainer, DialogueDataset
from cubelib.errors import DataError
from cubelib.inference.ask import ask
from cubelib.lattice import damage_from_tick, hole_damage, random_damage
from cubelib.views.experiments import encode, forward_trace, lesion, lesion_change, sensitivity, spread
from cubelib.views.widgets import AskTheCube, Knobs, LayoutExplorer, LesionLab, TrainingLive, WavePlayer, lesion_lab
from cubelib.views.widgets.layout_explorer import CHANNEL, TOUCH


def panels(board):
    """What the picture of a widget holds: name or title → panel."""
    together = itertools.chain.from_iterable(board.figure.content["rows"])
    return {panel.get("name") or panel.get("title", "lattice"): panel for panel in together}


def values(panel):
    """The numbers of a panel, as the mouse reads them."""
    return torch.tensor(np.frombuffer(panel["values"], np.float32).reshape(panel["shape"]))


def click(board, panel, *cell):
    """What the browser says of a click."""
    board.figure._receive(board.figure, {"kind": "click", "panel": panel, "cell": list(cell)}, [])


# --- WavePlayer ------------------------------------------------------------------------------------------------------


def test_the_wave_player_shows_each_tick_of_the_forward_trace():
    cube = trainer()
    player = WavePlayer(cube, "Hello")
    found = forward_trace(cube, "Hello")
    torch.testing.assert_close(values(panels(player)["lattice"]), found.strength, rtol=1e-6, atol=0)
    for tick in (2, 3):
        player.tick.value = tick
        assert player.figure.tick == tick
        assert f"tick {tick} of 3" in player.details.value and f"{found.cosine:.4f}" in player.details.value
    player.figure.tick = 1  # chosen in the browser
    assert player.tick.value == 1 and "tick 1 of 3" in player.details.value
    player.channel.value = 1
    torch.testing.assert_close(values(panels(player)["lattice"]), found.states[..., 1])
    faces = {"in: front face, tick 0": found.states[0, 0], "out: back face, tick 3": found.states[-1, -1]}
    for title, expected in faces.items():
        torch.testing.assert_close(values(panels(player)[title]), expected[..., :3].flatten(0, 1).T)


def test_another_sentence_is_sent_and_a_mistake_gets_a_message_and_leaves_the_picture():
    cube = trainer()
    player = WavePlayer(cube, "Hello")
    player.sentence.value = "something quite different"
    assert torch.equal(player.trace.output, forward_trace(cube, "something quite different").output)
    before = player.figure.content
    player.sentence.value = "  "
    assert "nothing to send" in player.message.value and player.figure.content == before
    player.sentence.value = "better"
    assert player.message.value == ""
    with pytest.raises(DataError, match="nothing to send"):
        WavePlayer(cube, "")


# --- LesionLab -------------------------------------------------------------------------------------------------------


def lab(**options):
    cubes = {"plain": trainer(), "other": trainer(random_seed=5)}
    bank = AnswerBank.from_texts(["aaa", "bbb", "hello there", "hollow", "zzz"], cubes["plain"].encoder)
    return cubes, bank, LesionLab(cubes, "hello", bank=bank, k=3, **options)


def test_the_slider_kills_a_share_and_all_cubes_are_asked():
    cubes, bank, board = lab()
    board.draw.value = 4
    board.percent.value = 25
    dead = random_damage((4, 4, 4), 0.25, seed=4)
    assert torch.equal(board.damage, dead)
    expected = lesion(cubes, "hello", dead, bank=bank, k=3)
    for name, one in expected.items():
        assert torch.equal(board.lesions[name].output, one.output) and board.lesions[name].after == one.after
        torch.testing.assert_close(one.whole, cubes[name].predict(encode(cubes[name], "hello")[None])[0])
        assert f"{one.cosine:.3f}</b> damaged" in board.details.value
    assert "16 of 64 cells dead (25.0%)" in board.details.value
    assert panels(board)["plain"]["dead"] == dead.numpy().tobytes()


def test_a_click_kills_and_a_second_one_revives():
    _, _, board = lab()
    click(board, "plain", 2, 1, 3)
    assert board.damage.nonzero().tolist() == [[2, 1, 3]]
    click(board, "other", 2, 1, 3)
    assert not board.damage.any()
    click(board, "other", 2, 1, 3)
    board.plane.value = 1
    click(board, "plane of plain", 3, 0)
    assert board.damage.nonzero().tolist() == [[1, 3, 0], [2, 1, 3]]
    assert panels(board)["plane of plain"]["crossed"] == board.damage[1].numpy().tobytes()
    click(board, "plane of other", 3, 0)
    assert board.damage.nonzero().tolist() == [[2, 1, 3]]
    board.revive.click()
    assert not board.damage.any() and board.lesions["plain"].kept == 3


def test_all_alive_puts_the_slider_back_too():
    _, _, board = lab()
    board.percent.value = 25
    board.kill([(0, 0, 0)])
    board.revive.click()
    assert not board.damage.any() and board.percent.value == 0 and "0 of 64 cells dead" in board.details.value


def test_the_unharmed_cubes_are_run_once_for_each_sentence(monkeypatch):
    runs = []
    trace = lesion_lab.forward_trace
    monkeypatch.setattr(
        lesion_lab, "forward_trace", lambda *args, **options: runs.append(options) or trace(*args, **options)
    )
    _, _, board = lab()
    assert runs == [{}] * 2 + runs[2:] and len(runs) == 4
    click(board, "plain", 2, 1, 3)
    assert len(runs) == 6 and all("damage" in options for options in runs[2:])


def test_a_lesion_has_a_shape_a_tick_and_a_map_of_what_it_changed():
    cubes, _, board = lab()
    board.plane.value, board.shape.value, board.percent.value = 1, "hole", 15
    hole = hole_damage((4, 4, 4), (3, 3), plane=1, corner=(0, 0))
    assert torch.equal(board.damage, hole)
    board.shown.value = "other"
    for tick, dies in [(0, True), (3, False)]:  # the signal passes plane 1 at tick 1
        board.tick.value = tick
        masks = damage_from_tick(hole, tick, steps=3)
        for name, cube in cubes.items():
            change = lesion_change(cube, encode(cube, "hello"), masks)
            assert torch.equal(board.changes[name], change) and bool(change.any()) == dies
        chosen, back = (panels(board)[name] for name in ("plane of other", "other: change at the back face"))
        torch.testing.assert_close(values(back), board.changes["other"])
        assert back["scale"] == chosen["scale"]  # one color is one change
        assert (board.lesions["plain"].output != board.lesions["plain"].whole).any() == dies


def test_a_map_leaves_out_what_is_only_rounding():
    _, _, board = lab()
    board.changes["other"] = torch.zeros(4, 4)
    board.changes["other"][:, 0] = torch.tensor([0.0, 9e-5, 2e-4, 1.5])
    board.show()
    back = panels(board)["other: change at the back face"]
    torch.testing.assert_close(values(back)[:, 0], torch.tensor([0.0, 0.0, 2e-4, 1.5]))
    assert list(back["levels"])[::4] == [0, 0, 1, 255]


def test_the_lattices_show_what_the_dead_cells_change_side_by_side_or_one_of_them():
    cubes, _, board = lab()
    board.kill([(1, 0, 0), (1, 0, 1)])
    for name, cube in cubes.items():
        expected = spread(forward_trace(cube, "hello"), forward_trace(cube, "hello", damage=board.damage))
        torch.testing.assert_close(values(panels(board)[name])[0], expected)
        assert float(expected[1, 0, 0]) > 0.5 and float(expected.mean()) < 0.3  # most where the cells are dead
    assert [ax.get_title() for ax in board.picture().axes[:2]] == ["plain", "other"]
    board.shown.value = "other"
    assert "plain" not in panels(board) and "other" in panels(board)


def test_cubes_of_different_lattices_are_refused():
    with pytest.raises(DataError, match="2 cubes of 2 lattices"):
        LesionLab({"a": trainer(), "b": trainer(lattice_size=[5, 4, 4])}, "hello")


# --- AskTheCube ------------------------------------------------------------------------------------------------------


def asking(**options):
    cube = trainer()
    bank = AnswerBank.from_texts(["aaa", "bbb", MARKUP, "hollow", "zzz"], cube.encoder)
    return cube, bank, AskTheCube(cube, bank, "hello", k=5, **options)


def test_the_answers_are_those_of_ask_and_right_ones_are_marked():
    right = DialogueDataset(vectors(2), vectors(2), ["hello ", "other"], ["HOLLOW", "bbb"])
    cube, bank, board = asking(right=right)
    assert board.reply == ask(cube, "hello", bank, 5)
    assert board.table.value.count("(right)") == 2 and "right answer at" in repr(board)
    board.question.value = "zzzz"
    assert board.reply == ask(cube, "zzzz", bank, 5) and "(right)" not in board.table.value
    board.question.value = ""
    assert "the question is" in board.message.value and board.reply.question == "zzzz"


def test_markup_that_is_typed_stays_text():
    cube, bank, board = asking()
    board.question.value = MARKUP
    lab = LesionLab({"<b>name</b>": cube}, MARKUP, bank=bank, k=5)
    assert "&lt;b&gt;name&lt;/b&gt;" in lab.details.value
    knobs = Knobs(lambda text: text, text=MARKUP)
    for shown_html in (board.table.value, lab.details.value, knobs._output.value):
        assert "<script" not in shown_html and "<img" not in shown_html and html.escape(MARKUP) in shown_html


# --- TrainingLive ----------------------------------------------------------------------------------------------------


def live(epochs=3):
    made = CubeTrainer(
        {"embedding_dim": DIM, "lattice_size": [3, 4, 4], "epochs": epochs, "early_stopping_patience": 99}
    )
    made.initialize_components()
    return made, TrainingLive(made, AutoencoderDataset(vectors(200)), AutoencoderDataset(vectors(40, 2)))


def test_training_that_is_watched_learns_what_training_unwatched_does():
    made, board = live()
    assert repr(board) == "TrainingLive(not started: up to 3 epochs)" and board.picture() is None
    history = board.run()
    assert board.run() is history  # it has been trained
    alone = CubeTrainer(made.config)
    alone.initialize_components()
    expected = alone.fit(AutoencoderDataset(vectors(200)), AutoencoderDataset(vectors(40, 2)), progress=False)
    assert history == expected
    assert torch.equal(made.predict(vectors(5, 3)), alone.predict(vectors(5, 3)))
    (ax,) = board.picture().axes
    assert list(ax.lines[0].get_ydata()) == [row["autoencoder_cosine_similarity"] for row in history]
    assert bytes(board.curve.value).startswith(b"\x89PNG") and board.bar.value == 3
    assert board.stop_button.disabled and not board.start_button.disabled and "trained 3 epochs" in repr(board)


def test_the_stop_button_stops_after_the_batch_and_keeps_the_best_weights():
    made, board = live(epochs=10_000)
    board.start_button.click()
    while board.running and not made.current_epoch:
        time.sleep(0.01)
    assert board.running and board.start_button.disabled
    board.start()  # does nothing while it goes on
    board.stop_button.click()
    history = board.run()
    assert not board.running and not board.start_button.disabled
    assert 1 <= history[-1]["epoch"] < 10_000 and made.stop_reason.startswith("stopped in epoch")
    best = max(history, key=lambda row: row["score"])
    again = made.evaluate(AutoencoderDataset(vectors(40, 2)))["cosine_similarity"]
    assert again == pytest.approx(best["autoencoder_cosine_similarity"], abs=1e-6)


def test_what_breaks_training_is_shown_and_raised_again():
    made, _ = live()
    board = TrainingLive(made, AutoencoderDataset(vectors(50)[:, :7]), AutoencoderDataset(vectors(40, 2)))
    with pytest.raises(DataError, match="have 7 numbers"):
        board.start().run()
    assert "have 7 numbers" in board.message.value and not board.start_button.disabled


# --- LayoutExplorer --------------------------------------------------------------------------------------------------


def test_the_explorer_shows_strength_channels_and_who_notices():
    cube = trainer()
    board = LayoutExplorer(cube, vectors(), "hello")
    vector = encode(cube, "hello")
    folded = {name: reshaper.fold(vector[None])[0] for name, reshaper in board.reshapers.items()}
    assert list(panels(board)) == list(folded)
    for name, face in folded.items():
        torch.testing.assert_close(values(panels(board)[name]), face.norm(dim=-1), msg=name)
    board.what.value, board.channel.value = CHANNEL, 2
    assert not board.channel.disabled and board.number.disabled
    torch.testing.assert_close(board.faces["random"], folded["random"][..., 2], rtol=0, atol=1e-5)
    board.what.value, board.number.value = TOUCH, 7
    expected = sensitivity(board.reshapers, vector, 7)
    torch.testing.assert_close(board.faces["pca"], expected["pca"], rtol=0, atol=1e-7)
    assert "number 7 noticed by 1, 1, 1, 1 and" in repr(board) and board.channel.disabled
    board.sentence.value = ""
    assert "nothing to send" in board.message.value


# --- Knobs and all ---------------------------------------------------------------------------------------------------


def test_every_kind_of_knob_has_its_control_and_a_turn_runs_the_function():
    from matplotlib.figure import Figure

    calls = []

    def run(**given):
        calls.append(given)
        return f"call {len(calls)}", Figure(figsize=(1, 1), facecolor="white")

    board = Knobs(run, whole=range(2, 9), share=(0.0, 1.0), name=["a", (4, 8)], on=True, text="x", start={"whole": 4})
    assert calls == [{"whole": 4, "share": 0.0, "name": "a", "on": True, "text": "x"}]
    assert (board.controls["whole"].min, board.controls["whole"].max) == (2, 8)
    board.controls["share"].value = 0.5
    board.controls["name"].value = (4, 8)
    assert calls[-1] == {"whole": 4, "share": 0.5, "name": (4, 8), "on": True, "text": "x"} and board.text == "call 3"
    assert repr(board) == "Knobs(whole 4, share 0.5, name (4, 8), on True, text x): call 3"
    assert board.picture() is board.figure and bytes(board._image.value).startswith(b"\x89PNG")
    slow = Knobs(run, button="run", whole=range(3))
    count = len(calls)
    slow.controls["whole"].value = 2
    assert len(calls) == count
    slow._button.click()
    assert calls[-1] == {"whole": 2}
    with pytest.raises(TypeError, match=r"odd=\{\} has no control"):
        Knobs(run, odd={})


def test_a_mistake_at_a_knob_is_a_message_and_a_fault_stays_a_fault():
    def run(number):
        if number == 1:
            raise ValueError("<b>no</b>")
        return str(1 // (2 - number))

    board = Knobs(run, number=range(3))
    board.controls["number"].value = 1
    assert board.message.value == "&lt;b&gt;no&lt;/b&gt;" and board.text == "0"
    with pytest.raises(ZeroDivisionError):
        board.controls["number"].value = 2


def test_each_widget_has_a_printed_twin_and_a_repr_that_says_what_is_seen(monkeypatch):
    cube, trained = trainer(), live(epochs=1)[1]
    trained.run()
    explorer = LayoutExplorer(cube, vectors(), "hello")
    boards = [WavePlayer(cube, "hello"), lab()[2], asking()[2], trained, explorer]
    for board in boards:
        assert "image/png" not in board._repr_mimebundle_()  # nobody waits for a picture of what is there
    monkeypatch.setenv("CUBELIB_PRINTED", "1")
    for board in boards:
        bundle = board._repr_mimebundle_()
        assert bundle["text/plain"] == repr(board) and repr(board).startswith(type(board).__name__)
        assert "application/vnd.jupyter.widget-view+json" in bundle and bundle["image/png"].startswith("iVBOR")
        assert board.picture().get_facecolor() == (1, 1, 1, 1)
    assert "image/png" not in Knobs(lambda a: str(a), a=True)._repr_mimebundle_()


def test_a_widget_is_drawn_in_an_exported_page_and_its_twin_comes_when_it_is_asked_for(monkeypatch):
    player = WavePlayer(trainer(), "hello")
    assert "text/html" not in player._repr_mimebundle_()
    monkeypatch.setenv("CUBELIB_EXPORTED", "1")
    assert "data-cubelib" in player._repr_mimebundle_()["text/html"]
    sent = []
    monkeypatch.setattr(player.figure, "send", lambda message, buffers: sent.append((message, buffers)))
    player.figure._receive(player.figure, {"kind": "twin"}, [])
    ((message, (png,)),) = sent
    assert message == {"kind": "twin"} and png.startswith(b"\x89PNG")
