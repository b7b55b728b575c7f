"""Slides open from the disk, go on with the keyboard, hide what comes later, and ask for nothing."""

from pathlib import Path

import pytest
from browser.pictures import changed, is_blank, picture, until

from cubelib.__main__ import main

OVERFLOWING = """() => [...Reveal.getCurrentSlide().querySelectorAll('.block, pre, figure, table, h1, h2, header')]
    .filter(part => {
        const box = part.getBoundingClientRect();
        return box.top < 0 || box.left < 0 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1
            || part.scrollWidth > part.clientWidth + 1;
    }).map(part => part.outerHTML.slice(0, 200))"""

# How many slides can be seen, of those that hold no others.
SHOWN = """() => [...document.querySelectorAll('.slides section:not(.stack)')].filter(slide => {
    const style = getComputedStyle(slide);
    return slide.getClientRects().length && style.visibility === 'visible' && Number(style.opacity) > 0;
}).length"""


@pytest.fixture(scope="module")
def slides(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("slides") / "slides"
    assert main(["course", str(folder), "--slides"]) == 0
    return folder


@pytest.fixture
def show(page):
    def opened(path: Path):
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto(path.as_uri())
        page.wait_for_function("() => window.Reveal && Reveal.isReady()")
        return page

    return opened


def test_the_keyboard_moves_on_and_back(show, slides):
    page = show(slides / "00_start_here.html")
    assert page.locator("section.present h1").inner_text() == "00 · Start here"
    first = picture(page.locator("body"))
    page.keyboard.press("ArrowRight")
    second = changed(page.locator("body"), first, "another slide after →")
    page.keyboard.press("Space")
    changed(page.locator("body"), second, "another slide after the space bar")
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    until(lambda: page.evaluate("() => Reveal.getSlidePastCount()") == 0, "the first slide again")
    page.keyboard.press("End")
    until(lambda: page.locator("section.present h2:visible").all_inner_texts() == ["Summary"], "the summary at the end")


def test_a_prediction_is_alone_and_its_picture_follows(show, slides):
    page = show(slides / "00_start_here.html")
    until(lambda: _forward(page).locator(".predict.present").count(), "a slide that asks for a prediction")
    assert page.locator(".predict.present .block").inner_text().startswith("Predict.")
    assert page.locator("section.predict.present img").count() == 0 and page.evaluate(SHOWN) == 1
    until(lambda: _forward(page).locator(".picture.present img").count(), "a picture")
    image = page.locator(".picture.present img")
    assert image.bounding_box()["width"] > 900 and not is_blank(picture(image))


def _forward(page):
    page.keyboard.press("ArrowRight")
    return page


def test_the_notes_are_the_speaker_s(show, slides):
    page = show(slides / "01_encoding.html")
    assert page.locator("aside.notes:visible").count() == 0
    with page.context.expect_page() as opening:
        page.keyboard.press("s")
    speaker = opening.value
    until(
        lambda: page.evaluate("() => Reveal.next()") or speaker.locator(".speaker-controls-notes .value p").count(),
        "notes",
    )


@pytest.mark.parametrize("number", range(8))
def test_every_slide_fits(show, slides, number):
    page = show(sorted(slides.glob("*.html"))[number])
    too_large = {}
    for index in range(page.evaluate("() => Reveal.getTotalSlides()")):
        if parts := page.evaluate(OVERFLOWING):
            too_large[index + 1] = parts
        page.evaluate("() => Reveal.next()")
    assert too_large == {}
