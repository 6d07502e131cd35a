"""The marks of a photographed stage micrometer are found, or it is said that there are none. All photos are drawn, so the
true distance of their marks is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.base.errors import LoupeError, MarksNotFound, MarksTooFew, MarksUneven, NotGlass, ReadingStopped
from device.reading.image import Limits
from device.reading.site.glass import white_of
from device.reading.site.micrometer import LARGEST_PX, LEAST_MARKS, Marks, find_marks, measure_marks
from tests.support.drawn_micrometer import Micrometer, draw_micrometer
from training.drawn.foreign import DRAWN, PLAIN
from training.drawn.phantoms import KINDS, draw

TOLERANCE = 0.001  # of the true distance: far below what a lens distorts


def jpeg(picture: Pillow.Image, quality: int = 85) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def measured(photo: Micrometer) -> Marks:
    return measure_marks(jpeg(draw_micrometer(photo)), Limits())


# Cameras at 0.2 to 5 µm/px before marks 10, 50 and 100 µm apart.
@pytest.mark.parametrize(("um_per_px", "between_um"), [
    (0.1, 10), (0.2, 10), (0.25, 10), (0.42, 10), (0.5, 10), (0.84, 10), (1.12, 10), (2.0, 10), (2.5, 10), (3.0, 50),
    (5.0, 50), (5.0, 100),
])  # fmt: skip
def test_the_size_of_a_pixel_is_found_to_a_thousandth(um_per_px: float, between_um: float) -> None:
    marks = measured(Micrometer(period_px=between_um / um_per_px, angle=7.3, seed=int(100 * um_per_px)))
    assert between_um / marks.period_px == pytest.approx(um_per_px, rel=TOLERANCE)
    assert len(marks.lines) >= LEAST_MARKS
    assert marks.error_px < TOLERANCE * marks.period_px


@pytest.mark.parametrize("angle", [-89.0, -60.0, -45.0, -12.0, 2.5, 44.0, 63.0, 90.0])
def test_the_scale_may_lie_at_any_angle(angle: float) -> None:
    marks = measured(Micrometer(period_px=14.3, angle=angle))
    assert marks.period_px == pytest.approx(14.3, rel=TOLERANCE)
    turned = (marks.angle - angle + 90) % 180 - 90
    assert abs(turned) < 1


@pytest.mark.parametrize("change", [
    {"blur": 3.0}, {"noise": 30.0}, {"uneven": 0.7}, {"dirt": 60}, {"dark": 0.1}, {"inverted": True}, {"mark_width": 0.5},
    {"offset": (0.3, 0.3)}, {"marks": 11}, {"length": 2.0},
], ids=str)  # fmt: skip
def test_photos_are_as_they_are(change: dict[str, object]) -> None:
    photo = replace(Micrometer(angle=8), **change)  # type: ignore[arg-type]
    assert measured(photo).period_px == pytest.approx(photo.period_px, rel=TOLERANCE)


def test_each_line_lies_on_a_mark() -> None:
    """Its ends are in pixels of the photo: there the drawing has marks at whole multiples of their distance."""
    photo = Micrometer(angle=17, period_px=22)
    marks = measured(photo)
    middle = (marks.lines[:, :2] + marks.lines[:, 2:]) / 2 - (photo.width / 2, photo.height / 2)
    turn = np.radians(photo.angle)
    along = middle @ (np.cos(turn), np.sin(turn)) / photo.period_px
    assert np.abs(along - np.round(along)).max() < 0.1
    assert len(set(np.round(along))) == len(along)
    assert marks.found == 1


def test_a_photo_of_many_megapixels_is_measured_in_its_own_pixels() -> None:
    photo = Micrometer(width=3600, height=2400, period_px=30, angle=4)
    assert photo.width * photo.height > LARGEST_PX
    marks = measured(photo)
    assert (marks.width, marks.height) == (3600, 2400)
    assert marks.period_px == pytest.approx(30, rel=TOLERANCE)


def test_the_smallest_marks_count_and_not_each_fifth_or_tenth_which_is_longer() -> None:
    assert measured(Micrometer(period_px=12, length=3)).period_px == pytest.approx(12, rel=TOLERANCE)


@pytest.mark.parametrize("kind", [*KINDS, *DRAWN, "clouds"])
def test_a_photo_of_something_else_is_refused(kind: str) -> None:
    drawn = DRAWN | PLAIN
    picture = drawn[kind](1) if kind in drawn else draw(kind, 1).pixels
    with pytest.raises((MarksNotFound, MarksTooFew, MarksUneven)):
        find_marks(picture)


def blank() -> Pillow.Image:
    return Pillow.new("RGB", (800, 600), (231, 229, 226))


def noise() -> Pillow.Image:
    return Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8))


@pytest.mark.parametrize("picture", [blank, noise])
def test_a_picture_of_nothing_is_refused(picture: object) -> None:
    assert callable(picture)
    for data in (jpeg(picture()), jpeg(picture(), 20)):  # the blocks of a JPEG are 8 px apart, and no marks
        with pytest.raises(MarksNotFound):
            measure_marks(data, Limits())


def patterns(height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures at the edge of what makes sense: one level, noise, stripes of few pixels, ramps, one line, one point."""
    rng = np.random.default_rng(height * width)
    grey = [np.zeros((height, width)), np.full((height, width), 255), rng.integers(0, 256, (height, width))]
    grey += [np.tile(np.arange(width) % period < period / 2, (height, 1)) * 255 for period in (2, 3, 5, 9, 20)]
    grey += [
        np.tile(np.linspace(0, 255, width), (height, 1)),
        np.tile((np.arange(height) % 7 < 3)[:, None], width) * 255,
    ]
    for rows, columns in ((height // 2, slice(None)), (height // 2, width // 2)):
        grey.append(np.zeros((height, width)))
        grey[-1][rows, columns] = 255
    for each in grey:
        yield np.repeat(each.astype(np.uint8)[..., None], 3, 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 192), (192, 64), (65, 97)])
def test_any_picture_gets_an_answer_or_the_error_that_says_why_not(height: int, width: int) -> None:
    for pixels in patterns(height, width):
        for measure in (find_marks, white_of):
            with suppress(MarksNotFound, MarksTooFew, MarksUneven, NotGlass):
                measure(pixels)


def test_the_search_ends_when_nobody_waits() -> None:
    with pytest.raises(ReadingStopped):
        find_marks(np.asarray(draw_micrometer(Micrometer())), stop=lambda: True)


def test_too_little_of_a_scale_is_told() -> None:
    with pytest.raises(MarksTooFew) as caught:
        measured(Micrometer(period_px=160))
    assert caught.value.facts == {"marks": 7, "least": LEAST_MARKS}


def test_marks_that_are_not_evenly_spaced_are_refused() -> None:
    """As on a slide that a camera sees at a slant: from one end to the other marks come closer."""
    even = draw_micrometer(Micrometer(period_px=26, marks=41, noise=1))
    x = np.linspace(0, 1, even.width)
    slanted = np.asarray(even)[:, (even.width * (0.6 * x + 0.4 * x**2) - 0.5).astype(int).clip(0)]
    with pytest.raises(LoupeError) as caught:
        find_marks(slanted)
    assert isinstance(caught.value, MarksUneven | MarksNotFound | MarksTooFew)
