"""What a learner does with a widget in JupyterLab reaches the kernel, and its answer is seen."""

import ast

from browser.cubes import SETUP, run
from browser.pictures import picture, pixels_differ, until
from browser.plot import Plot
from letter_cubes import MARKUP

from cubelib.views.experiments import forward_trace, lesion


def type_in(notebook, cell, text):
    """Type into a widget's line, as a person does: Enter at the end."""
    line = notebook.output(cell).locator("input[type=text]").first
    line.fill(text)
    line.press("Enter")


def push(notebook, cell, number, key, times=1):
    """Move a widget's slider, counted from 0, by keys."""
    handle = notebook.output(cell).locator(".noUi-handle").nth(number)
    handle.focus()
    for _ in range(times):
        handle.press(key)


def not_hacked(notebook):
    """Nothing that was typed became an element or ran."""
    assert notebook.page.evaluate("() => window.hacked === undefined")
    assert notebook.page.locator("img[src=x]").count() == 0


def says(notebook, cell, text):
    until(lambda: text in notebook.text(cell), f"“{text}” below cell {cell}")


def shown(notebook, cell, source):
    """What a further cell of the notebook says that the kernel holds."""
    notebook.page.evaluate(
        "([cell, source]) => window.notebook.content.widgets[cell].model.sharedModel.setSource(source)", [cell, source]
    )
    notebook.start(cell)
    until(lambda: not notebook.busy(cell) and notebook.text(cell).strip(), f"the kernel's answer to {source}")
    return ast.literal_eval(notebook.text(cell).strip())


def test_the_wave_player_takes_sentences_and_walks_through_the_ticks(open_notebook):
    notebook = open_notebook([SETUP, "player = widgets.WavePlayer(trainer(), 'Hello')\nplayer"])
    assert notebook.errors() == []
    plot = Plot(notebook.page, notebook.output(1).locator(".js-plotly-plot"))
    cube = run(SETUP)["trainer"]()
    says(
        notebook,
        1,
        f"tick 0 of 3: plane 0 holds something. Cosine of output and input: {forward_trace(cube, 'Hello').cosine:.4f}",
    )

    before = plot.picture()
    type_in(notebook, 1, "quite another sentence")
    says(notebook, 1, f"{forward_trace(cube, 'quite another sentence').cosine:.4f}")
    before = plot.changed(before, "another picture for another sentence", share=0.002)

    push(notebook, 1, 0, "ArrowRight")
    says(notebook, 1, "tick 1 of 3")
    before = plot.changed(before, "another picture at tick 1")
    notebook.output(1).locator(".jupyter-widgets.widget-play button").first.click()
    says(notebook, 1, "tick 3 of 3")
    plot.changed(before, "another picture at the last tick")

    type_in(notebook, 1, "  ")
    says(notebook, 1, "nothing to send")
    type_in(notebook, 1, MARKUP)
    says(notebook, 1, f"{forward_trace(cube, MARKUP).cosine:.4f}")
    assert "nothing to send" not in notebook.text(1)
    not_hacked(notebook)


def test_cells_die_by_the_slider_by_a_click_on_the_lattice_and_on_the_sheet(open_notebook):
    texts = ["aaa", "bbb", MARKUP, "hello there", "zzz"]
    notebook = open_notebook(
        [
            SETUP,
            f"plain, other = trainer(), trainer(random_seed=5)\nbank = AnswerBank.from_texts({texts}, plain.encoder)",
            "lab = widgets.LesionLab({'plain': plain, '<b>other</b>': other}, 'hello', bank=bank)\nlab",
            "",
        ]
    )
    assert notebook.errors() == []
    plot = Plot(notebook.page, notebook.output(2).locator(".js-plotly-plot"))
    says(notebook, 2, "0 of 64 cells dead")
    says(notebook, 2, MARKUP)
    says(notebook, 2, "<b>other</b>: cosine")
    not_hacked(notebook)

    before, table = plot.picture(), notebook.text(2)
    cell = plot.click_a_cell()
    says(notebook, 2, "1 of 64 cells dead")
    dead = "lab.damage.nonzero().tolist()"
    assert shown(notebook, 3, dead) == [cell]
    before = plot.changed(before, "a dead cell", share=0.0002)

    sheet = plot.figure.locator(".heatmaplayer .hm").first.bounding_box()
    notebook.page.mouse.move(sheet["x"] + 0.875 * sheet["width"], sheet["y"] + 0.125 * sheet["height"])
    until(lambda: plot.label() and plot.label()[0] == "column 3, row 0", "the label of a square of the sheet")
    plot.hold()
    says(notebook, 2, "2 of 64 cells dead")
    assert sorted(shown(notebook, 3, dead)) == sorted([cell, [2, 0, 3]])  # plane 2 is on the sheet

    push(notebook, 2, 0, "ArrowRight", times=25)
    says(notebook, 2, "16 of 64 cells dead (25.0%)")
    plot.changed(before, "a quarter of the cells dead", share=0.002)
    names = run(SETUP, "from cubelib.lattice import random_damage")
    expected = lesion({"plain": names["trainer"]()}, "hello", names["random_damage"]((4, 4, 4), 0.25, seed=0))
    says(notebook, 2, f"unharmed, {expected['plain'].cosine:.3f} damaged")
    assert notebook.text(2) != table
    not_hacked(notebook)


def test_a_widget_is_whole_that_was_changed_before_it_is_seen_or_is_seen_twice(open_notebook):
    notebook = open_notebook(
        [
            SETUP,
            "lab = widgets.LesionLab({'plain': trainer()}, 'hello')\nlab.kill([(1, 0, 2), (3, 3, 3)])\nlab",
            "lab",
            "layouts = widgets.LayoutExplorer(trainer(), vectors(60, 1), 'hello')\n"
            "layouts.what.value = layouts.what.options[2]\nlayouts",
        ]
    )
    assert notebook.errors() == []
    first, second, layouts = (
        Plot(notebook.page, notebook.output(cell).locator(".js-plotly-plot")) for cell in (1, 2, 3)
    )
    for plot in (first, second):
        assert plot.figure.evaluate("plot => plot.data.slice(0, 3).map(trace => trace.x.length)") == [64, 62 * 8, 2 * 8]
    assert layouts.figure.evaluate("plot => plot.data.map(trace => trace.z.map(row => row.length))") == [[4] * 4] * 5
    assert pixels_differ(first.picture(), second.picture()) < 0.01

    before = second.picture()
    notebook.output(1).locator("button", has_text="all alive").click()
    alive = "plot => plot.data[1].x.length"
    until(lambda: all(plot.figure.evaluate(alive) == 64 * 8 for plot in (first, second)), "all cells alive in both")
    second.changed(before, "all cells alive", share=0.0005)


def test_questions_layouts_and_knobs_answer(open_notebook):
    notebook = open_notebook(
        [
            SETUP,
            "made = trainer()\n"
            f"bank = AnswerBank.from_texts(['aaa', 'bbb', {MARKUP!r}, 'hollow', 'zzz'], made.encoder)\n"
            "widgets.AskTheCube(made, bank, 'hello', k=3)",
            "widgets.LayoutExplorer(made, vectors(60, 1), 'hello')",
            "from matplotlib.figure import Figure\n"
            "def draw(number, text):\n"
            "    figure = Figure(figsize=(3, 2), facecolor='white')\n"
            "    figure.subplots().bar([0, 1], [number, 9])\n"
            "    return f'{number} times {text}', figure\n"
            "widgets.Knobs(draw, number=range(1, 9), text='x')",
        ]
    )
    assert notebook.errors() == []
    rows = notebook.output(1).locator("tr")
    until(lambda: rows.count() == 4, "three answers")
    first = notebook.text(1)
    type_in(notebook, 1, "zzzz")
    says(notebook, 1, "“zzzz”")
    until(lambda: "zzz" in rows.nth(1).locator("td").nth(2).inner_text(), "zzz in the first place")
    assert notebook.text(1) != first
    type_in(notebook, 1, MARKUP)
    says(notebook, 1, f"“{MARKUP}”")
    until(lambda: rows.nth(1).locator("td").nth(2).inner_text() == MARKUP, "the bank's markup as text")
    type_in(notebook, 1, "")
    says(notebook, 1, "the question is")

    figure = notebook.output(2).locator(".js-plotly-plot")
    figure.wait_for()
    says(notebook, 2, "strength of a cell, under")
    until(lambda: figure.locator(".heatmaplayer .hm").count() == 5, "five layouts")
    before = picture(figure)
    notebook.output(2).locator("select").select_option("who notices one number")
    says(notebook, 2, "number 0 noticed by 1, 1, 1, 1 and 16 of 16 cells")
    until(lambda: pixels_differ(before, picture(figure)) > 0.05, "another picture")
    push(notebook, 2, 1, "ArrowRight")
    says(notebook, 2, "number 1 noticed by")
    type_in(notebook, 2, MARKUP)

    says(notebook, 3, "1 times x")
    image = notebook.output(3).locator("img")
    before = picture(image)
    push(notebook, 3, 0, "ArrowRight", times=4)
    says(notebook, 3, "5 times x")
    until(lambda: pixels_differ(before, picture(image)) > 0.02, "another picture")
    type_in(notebook, 3, MARKUP)
    says(notebook, 3, f"5 times {MARKUP}")
    not_hacked(notebook)


def test_training_is_watched_and_stopped_also_while_a_cell_waits_for_it(open_notebook):
    notebook = open_notebook(
        [
            SETUP,
            "settings = {'epochs': 100_000, 'early_stopping_patience': 100_000}\n"
            "watched = CubeTrainer({'embedding_dim': 48, 'lattice_size': [3, 4, 4], **settings})\n"
            "watched.initialize_components()\n"
            "data = [AutoencoderDataset(vectors(count, count)) for count in (200, 40)]\n"
            "live = widgets.TrainingLive(watched, *data)\nlive",
            "history = live.run()",
            "",
        ],
        run=False,
    )
    for cell in (0, 1):
        notebook.start(cell)
    until(lambda: notebook.output(1).locator("button").count() == 2, "the widget")
    train, stop = (notebook.output(1).locator("button", has_text=name) for name in ("train", "stop"))
    assert stop.is_disabled()
    train.click()
    image = notebook.output(1).locator("img")
    image.wait_for()
    before = picture(image)
    until(lambda: pixels_differ(before, picture(image)) > 0.002, "a curve that grows")
    stop.click()
    says(notebook, 1, "stopped in epoch")
    until(train.is_enabled, "a button to train again")
    assert stop.is_disabled()

    train.click()
    until(stop.is_enabled, "a button to stop")
    notebook.start(2)
    until(lambda: notebook.busy(2), "a cell that waits for the end")
    before = picture(image)
    until(lambda: pixels_differ(before, picture(image)) > 0.002, "a curve that grows while a cell runs")
    assert notebook.busy(2)
    stop.click()
    until(lambda: not notebook.busy(2), "the end of the cell that waits")
    epochs, rows, reason = shown(notebook, 3, "history[-1]['epoch'], len(history), live.trainer.stop_reason")
    assert 1 <= epochs < 100_000 and rows == epochs + 1
    assert reason.startswith(f"stopped in epoch {epochs + 1}") or reason.startswith("stopped in epoch")
    assert notebook.errors() == []
