"""Phantoms are what their truth says: masks agree with pixels, and kinds differ as a textbook says."""

from __future__ import annotations

import numpy as np
import pytest

from training.drawn.phantoms import KINDS, Phantom, draw


@pytest.fixture(scope="module", params=KINDS)
def phantom(request: pytest.FixtureRequest) -> Phantom:
    """One drawn field of each kind."""
    return draw(request.param, seed=1)


def test_has_the_shape_of_a_field(phantom: Phantom) -> None:
    assert phantom.pixels.shape == (384, 512, 3)
    assert phantom.pixels.dtype == np.uint8
    for mask in (phantom.nuclei, phantom.lesion, phantom.empty):
        assert mask.shape == (384, 512)
        assert mask.dtype == bool


def test_nuclei_are_darker_and_bluer_than_the_rest_of_the_tissue(phantom: Phantom) -> None:
    tissue = ~phantom.nuclei & ~phantom.empty
    nuclei, rest = phantom.pixels[phantom.nuclei].mean(0), phantom.pixels[tissue].mean(0)
    assert nuclei.mean() < rest.mean() - 40
    # Haematoxylin takes red light away, eosin hardly any.
    assert nuclei[0] < rest[0] - 60


def test_where_it_is_empty_light_passes(phantom: Phantom) -> None:
    assert phantom.empty.any()
    assert phantom.pixels[phantom.empty].mean() > 215


def test_nuclei_crowd_in_the_lesion(phantom: Phantom) -> None:
    assert phantom.nuclei[phantom.lesion].mean() > 2 * phantom.nuclei[~phantom.lesion].mean()


def test_tumours_hold_more_nuclei_than_normal_tissue() -> None:
    share = {kind: np.mean([draw(kind, seed, 256, 192).nuclei.mean() for seed in range(4)]) for kind in KINDS}
    assert share["invasive"] > share["insitu"] > share["normal"]


def test_in_situ_stays_within_few_outlines_and_invasive_does_not() -> None:
    def outline_px(phantom: Phantom) -> float:
        edges = phantom.lesion[:, 1:] != phantom.lesion[:, :-1]
        return float(edges.sum() / phantom.lesion.sum())

    assert outline_px(draw("invasive", 2)) > 1.5 * outline_px(draw("insitu", 2))


def test_the_same_seed_gives_the_same_field_and_another_seed_another() -> None:
    first, again, other = draw("benign", 5, 128, 96), draw("benign", 5, 128, 96), draw("benign", 6, 128, 96)
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.nuclei, again.nuclei)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(224, 224), (97, 131)])
def test_draws_any_size(kind: str, width: int, height: int) -> None:
    assert draw(kind, 3, width, height).pixels.shape == (height, width, 3)


def test_finer_pixels_show_the_same_nuclei_larger() -> None:
    def nucleus_px(um_per_px: float) -> float:
        mask = draw("invasive", 4, 256, 192, um_per_px).nuclei
        starts = mask[:, 1:] & ~mask[:, :-1]
        return float(mask[:, 1:].sum() / starts.sum())

    assert nucleus_px(0.42) > 2.5 * nucleus_px(1.68)


def test_knows_no_other_kind() -> None:
    with pytest.raises(KeyError):
        draw("mammogram")
