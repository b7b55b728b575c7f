"""What a learner does with a widget in JupyterLab reaches the kernel, and its answer is seen."""

from browser.notebook import SETUP
from browser.pictures import changed, is_blank, picture, pixels_differ, until
from browser.test_views import NO_WEBGL
from letter_cubes import MARKUP, trainer

from cubelib.views.experiments import forward_trace


def test_the_wave_player_takes_sentences_and_walks_through_the_ticks(open_notebook):
    notebook = open_notebook([SETUP, "player = widgets.WavePlayer(trainer(), 'Hello')\nplayer", ""])
    drawing, cube = notebook.drawing(1), trainer()
    before, out = drawing.picture(), drawing.picture(panel=2)
    for sentence in ("quite another sentence", MARKUP):
        notebook.type_in(1, sentence)
        notebook.says(1, f"{forward_trace(cube, sentence).cosine:.4f}")
        before = drawing.changed(before, "another picture for another sentence", share=0.002)
        out = drawing.changed(out, "another back face for another sentence", panel=2)

    drawing.slide(1)
    notebook.says(1, "tick 1 of 3: planes")
    before = drawing.changed(before, "another picture at tick 1")
    drawing.root.locator("button", has_text="play").click()
    notebook.says(1, "tick 3 of 3: planes")
    drawing.changed(before, "another picture at the last tick")
    assert notebook.ask_kernel(2, "player.tick.value") == 3
    notebook.type_in(1, "  ")
    notebook.says(1, "nothing to send")


def test_cells_die_by_the_slider_by_a_click_on_the_lattice_and_on_the_sheet_and_by_the_keys(open_notebook):
    lab = f"""
cubes = {{'plain': trainer(), '<b>other</b>': trainer(random_seed=5)}}
bank = AnswerBank.from_texts(['aaa', {MARKUP!r}], cubes['plain'].encoder)
lab = widgets.LesionLab(cubes, 'hello', bank=bank)
lab
"""
    notebook = open_notebook([SETUP, lab, ""])
    drawing, dead = notebook.drawing(1), "lab.damage.nonzero().tolist()"
    notebook.says(1, MARKUP)

    before, other = drawing.picture(), drawing.picture(panel=1)
    cell = drawing.over_a_cell()
    drawing.click()
    notebook.says(1, "1 of 64 cells dead")
    until(lambda: drawing.says().endswith("dead"), "a label that says so")
    assert notebook.ask_kernel(2, dead) == [cell]
    before = drawing.changed(before, "a dead cell", share=0.0005)
    drawing.changed(other, "the same cell dead in the other cube", share=0.0005, panel=1)

    drawing.over_a_square(2, row=0, column=3)
    until(lambda: drawing.says(2).startswith("column 3, row 0"), "the label of a square of the sheet")
    drawing.click()
    notebook.says(1, "2 of 64 cells dead")
    assert sorted(notebook.ask_kernel(2, dead)) == sorted([cell, [2, 0, 3]])  # plane 2 is on the sheet

    drawing.canvas().focus()
    for key in ("Shift+ArrowRight", "Enter"):
        notebook.page.keyboard.press(key)
    notebook.says(1, "3 of 64 cells dead")
    assert [0, 0, 0] in notebook.ask_kernel(2, dead)

    notebook.push(1, times=25)
    notebook.says(1, "16 of 64 cells dead (25.0%)")
    drawing.changed(before, "a quarter of the cells dead", share=0.002)


def test_a_widget_is_whole_that_was_changed_before_it_is_seen_or_is_seen_twice(open_notebook):
    lab = "lab = widgets.LesionLab({'plain': trainer()}, 'hello')\nlab.kill([(1, 0, 2), (3, 3, 3)])\nlab"
    notebook = open_notebook([SETUP, lab, "lab"])
    drawings = [notebook.drawing(cell) for cell in (1, 2)]
    dead = "root => root.view.panels[0].dead.reduce((sum, one) => sum + one)"
    assert [drawing.root.evaluate(dead) for drawing in drawings] == [2, 2]
    before = drawings[1].picture()
    assert pixels_differ(drawings[0].picture(), before) < 0.01
    notebook.output(1).locator("button", has_text="all alive").click()
    until(lambda: [drawing.root.evaluate(dead) for drawing in drawings] == [0, 0], "all cells alive in both")
    drawings[1].changed(before, "all cells alive", share=0.0005)


def test_without_webgl_a_widget_shows_its_printed_twin(open_notebook, page):
    page.add_init_script(NO_WEBGL)
    notebook = open_notebook([SETUP, "widgets.WavePlayer(trainer(), 'Hello')"])
    image = notebook.output(1).locator(".cubelib-twin img")
    until(lambda: image.count() and not is_blank(picture(image)), "the printed picture")
    assert notebook.output(1).locator("canvas[role=img]").count() == 2  # the two faces need no WebGL


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

    drawing = notebook.drawing(2)
    assert drawing.root.locator("canvas[role=img]").count() == 5  # layouts
    before = drawing.picture(panel=2)
    notebook.output(2).locator("select").first.select_option("who notices one number")
    notebook.says(2, "number 0 noticed by")
    drawing.changed(before, "another picture", share=0.05, panel=2)
    drawing.over_a_square(0, row=1, column=2)
    until(lambda: drawing.says(0).startswith("column 2, row 1"), "the label of a square")

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
