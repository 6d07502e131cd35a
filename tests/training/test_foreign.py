"""What a bundle knows of foreign pictures: directions from a clinic's own pictures that find kinds that are known, and one
that finds others."""

from __future__ import annotations

import numpy as np
import pytest

from device.reading.bundle import Bundle
from device.reading.site.foreign import KnownForeign
from tests.support.shipped import BUNDLE, KEYS
from training.gate.foreign import ENLARGED, foreign_kinds, known_foreign, without_kind

CHANNELS = 30
SHIFT = 3.0  # of the clinic from the laboratory, in every entry: more than what sets kinds apart


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """The laboratory's rows, those of five kinds, and those of a sixth; foreign ones have something in common."""
    chance = np.random.default_rng(2)
    proper = chance.normal(0, 1, (200, CHANNELS))
    common = np.zeros(CHANNELS)
    common[10:20] = 1.5
    kinds = [chance.normal(0, 1, (50, CHANNELS)) + common + chance.normal(0, 1, CHANNELS) for _ in range(6)]
    return proper, kinds[:5], kinds[5]


def test_known_and_unseen_kinds_lie_farther_than_the_clinic_s_own(
    rows: tuple[np.ndarray, list[np.ndarray], np.ndarray],
) -> None:
    proper, kinds, unseen = rows
    known = known_foreign(proper, kinds, slice(5, 25))
    clinic = np.random.default_rng(3).normal(0, 1, (200, CHANNELS)) + SHIFT
    own, held = clinic[:40], clinic[40:]
    directions = known.directions(own)
    assert directions.shape == (CHANNELS, 6)
    assert not known.general[:5].any()
    assert not known.general[25:].any()

    def towards(of: np.ndarray) -> np.ndarray:
        return np.asarray((of - own.mean(0)) @ directions)

    for number, kind in enumerate(kinds):
        limit = np.quantile(towards(held)[:, number], 0.95)
        assert (towards(kind)[:, number] > limit).mean() > 0.9  # as others made them, where the bundle learnt of them
    limit = np.quantile(towards(held)[:, -1], 0.95)
    assert (towards(unseen + SHIFT)[:, -1] > limit).mean() > 0.8  # as the clinic itself would make them


def test_a_kind_can_be_taken_out_of_what_a_bundle_knows() -> None:
    bundle = Bundle.open(BUNDLE, KEYS)
    assert bundle.manifest.site
    whole, less = KnownForeign.of(bundle), without_kind(bundle, "colon")
    assert whole is not None
    assert len(whole.centres) == len(bundle.manifest.site.kinds) == len(less.centres) + len(ENLARGED)
    assert not np.allclose(whole.general, less.general)


def test_what_a_model_reads_is_not_foreign_to_it() -> None:
    names = [kind.name for kind in foreign_kinds(Bundle.open(BUNDLE, KEYS))]
    assert "breast_section" not in names
    assert {"lung", "mammogram", "ultrasound"} <= set(names)
