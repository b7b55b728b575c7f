"""What a learner does with a widget in JupyterLab reaches the kernel, and its answer is seen."""

from browser.notebook import SETUP
from browser.pictures import changed, picture, pixels_differ, until
from letter_cubes import MARKUP, trainer

from cubelib.views.experiments import forward_trace


def test_the_wave_player_takes_sentences_and_walks_through_the_ticks(open_notebook):
    notebook = open_notebook([SETUP, "widgets.WavePlayer(trainer(), 'Hello')"])
    plot, cube = notebook.plot(1), trainer()
    before = plot.picture()
    for sentence in ("quite another sentence", MARKUP):
        notebook.type_in(1, sentence)
        notebook.says(1, f"{forward_trace(cube, sentence).cosine:.4f}")
        before = plot.changed(before, "another picture for another sentence", share=0.002)

    notebook.push(1)
    notebook.says(1, "tick 1 of 3")
    before = plot.changed(before, "another picture at tick 1")
    notebook.output(1).locator(".jupyter-widgets.widget-play button").first.click()
    notebook.says(1, "tick 3 of 3")
    plot.changed(before, "another picture at the last tick")
    notebook.type_in(1, "  ")
    notebook.says(1, "nothing to send")


def test_cells_die_by_the_slider_by_a_click_on_the_lattice_and_on_the_sheet(open_notebook):
    lab = f"""
cubes = {{'plain': trainer(), '<b>other</b>': trainer(random_seed=5)}}
bank = AnswerBank.from_texts(['aaa', {MARKUP!r}], cubes['plain'].encoder)
lab = widgets.LesionLab(cubes, 'hello', bank=bank)
lab
"""
    notebook = open_notebook([SETUP, lab, ""])
    plot, dead = notebook.plot(1), "lab.damage.nonzero().tolist()"
    notebook.says(1, MARKUP)

    before = plot.picture()
    cell = plot.over_a_cell()
    plot.hold()
    notebook.says(1, "1 of 64 cells dead")
    assert notebook.ask_kernel(2, dead) == [cell]
    before = plot.changed(before, "a dead cell", share=0.0002)

    sheet = plot.figure.locator(".heatmaplayer .hm").first.bounding_box()
    notebook.page.mouse.move(sheet["x"] + 0.875 * sheet["width"], sheet["y"] + 0.125 * sheet["height"])
    until(lambda: plot.label() and plot.label()[0] == "column 3, row 0", "the label of a square of the sheet")
    plot.hold()
    notebook.says(1, "2 of 64 cells dead")
    assert sorted(notebook.ask_kernel(2, dead)) == sorted([cell, [2, 0, 3]])  # plane 2 is on the sheet

    notebook.push(1, times=25)
    notebook.says(1, "16 of 64 cells dead (25.0%)")
    plot.changed(before, "a quarter of the cells dead", share=0.002)


def test_a_widget_is_whole_that_was_changed_before_it_is_seen_or_is_seen_twice(open_notebook):
    lab = "lab = widgets.LesionLab({'plain': trainer()}, 'hello')\nlab.kill([(1, 0, 2), (3, 3, 3)])\nlab"
    notebook = open_notebook([SETUP, lab, "lab"])
    plots = [notebook.plot(cell) for cell in (1, 2)]
    for plot in plots:
        assert plot.figure.evaluate("plot => plot.data.slice(0, 3).map(trace => trace.x.length)") == [64, 62 * 8, 2 * 8]
    before = plots[1].picture()
    assert pixels_differ(plots[0].picture(), before) < 0.01
    notebook.output(1).locator("button", has_text="all alive").click()
    alive = "plot => plot.data[1].x.length"
    until(lambda: all(plot.figure.evaluate(alive) == 64 * 8 for plot in plots), "all cells alive in both")
    plots[1].changed(before, "all cells alive", share=0.0005)


def test_questions_layouts_and_knobs_answer(open_notebook):
    ask = f"""
bank = AnswerBank.from_texts(['aaa', 'bbb', {MARKUP!r}, 'hollow', 'zzz'], trainer().encoder)
widgets.AskTheCube(trainer(), bank, 'hello', k=3)
"""
    layouts = """
explorer = widgets.LayoutExplorer(trainer(), vectors(60, 1), 'hello')
explorer.what.value = explorer.what.options[1]  # changed before it is seen
explorer
"""
    knobs = """
from matplotlib.figure import Figure
def draw(number, text):
    figure = Figure(figsize=(3, 2), facecolor='white')
    figure.subplots().bar([0, 1], [number, 9])
    return f'{number} times {text}', figure
widgets.Knobs(draw, number=range(1, 9), text='x')
"""
    notebook = open_notebook([SETUP, ask, layouts, knobs])
    first_answer = notebook.output(1).locator("tr").nth(1).locator("td").nth(2)
    for question, answer in [("zzzz", "zzz"), (MARKUP, MARKUP)]:
        notebook.type_in(1, question)
        until(lambda answer=answer: first_answer.inner_text() == answer, f"{answer} in the first place")

    figure = notebook.output(2).locator(".js-plotly-plot")
    until(lambda: figure.locator(".heatmaplayer .hm").count() == 5, "five layouts")
    before = picture(figure)
    notebook.output(2).locator("select").select_option("who notices one number")
    notebook.says(2, "number 0 noticed by")
    changed(figure, before, "another picture", share=0.05)

    image = notebook.output(3).locator("img")
    before = picture(image)
    notebook.push(3, times=4)
    notebook.type_in(3, MARKUP)
    notebook.says(3, f"5 times {MARKUP}")
    changed(image, before, "another picture", share=0.02)


def test_training_is_watched_and_stopped_also_while_a_cell_waits_for_it(open_notebook):
    train_live = """
settings = {'epochs': 100_000, 'early_stopping_patience': 100_000}
watched = CubeTrainer({'embedding_dim': 48, 'lattice_size': [3, 4, 4], **settings})
watched.initialize_components()
live = widgets.TrainingLive(watched, *[AutoencoderDataset(vectors(count, count)) for count in (200, 40)])
live
"""
    notebook = open_notebook([SETUP, train_live, "history = live.run()", ""], run=False)
    for cell in (0, 1):
        notebook.start(cell)
    train, stop = (notebook.output(1).locator("button", has_text=name) for name in ("train", "stop"))
    train.click()
    image = notebook.output(1).locator("img")
    image.wait_for()
    changed(image, picture(image), "a curve that grows", share=0.002)
    stop.click()
    notebook.says(1, "stopped in epoch")
    until(train.is_enabled, "a button to train again")
    assert stop.is_disabled()

    train.click()
    until(stop.is_enabled, "a button to stop")
    notebook.start(2)
    until(lambda: notebook.busy(2), "a cell that waits for the end")
    changed(image, picture(image), "a curve that grows while a cell runs", share=0.002)
    assert notebook.busy(2)
    stop.click()
    until(lambda: not notebook.busy(2), "the end of the cell that waits")
    epochs, rows, reason = notebook.ask_kernel(3, "history[-1]['epoch'], len(history), live.trainer.stop_reason")
    assert 1 <= epochs < 100_000 and rows == epochs + 1 and reason.startswith("stopped in epoch")
    assert notebook.errors() == []
