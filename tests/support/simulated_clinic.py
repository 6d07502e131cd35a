"""A store as a clinic's might be after some weeks: simulated scores, no picture. For tests of the health page and its
screenshot in `docs/technicians/index.md`:

    python -m tests.support.simulated_clinic var/simulated.sqlite
    loupe serve --store var/simulated.sqlite
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np

from device.reading.bundle import Bundle
from device.reading.drift_test import calibration_sizes
from device.reading.gate import CAUTION_BELOW_P, REASON_OF_QUESTION, Answer, Verdict, conformal_p
from device.reading.reading import Reading
from device.storage.drift import DriftLog, noted
from tests.support.shipped import BUNDLE, KEYS

DAYS, SITTINGS_A_DAY = 24, 12
REFUSED_BELOW_P = 0.025


def cast_reading(p_values: Mapping[str, float], reason: str | None = None) -> Reading:
    """A reading with these p-values, as far as the drift watch looks at one."""
    answers = tuple(Answer(name, True, 1.0, 1.0, p_value) for name, p_value in p_values.items())
    return cast(Reading, SimpleNamespace(verdict=Verdict(answers, reason), caution=False, section=None))


def fill(store: Path, bundle: Bundle, shift: float = 0.0) -> None:
    """Weeks of readings up to today, one every ten minutes. `shift`: how much stranger the last quarter's pictures are
    made, in standard deviations of normal scores."""
    random.seed(7)
    rng = np.random.default_rng(7)
    calibration = {name: np.sort(rng.normal(size=n)) for name, n in calibration_sizes(bundle).items()}
    log = DriftLog(store)
    today = datetime.now().replace(hour=9, minute=0, second=0, microsecond=0)
    for day in range(DAYS):
        for sitting in range(SITTINGS_A_DAY):
            answers = []
            for name, scores in calibration.items():
                moved = shift if name == "made" and day >= 0.75 * DAYS else 0.0
                p_value = conformal_p(moved + rng.normal(), scores)
                answers.append(Answer(name, p_value >= REFUSED_BELOW_P, 1.0, 1.0, p_value))
            failed = next((answer.question for answer in answers if not answer.passed), None)
            reason = REASON_OF_QUESTION[failed] if failed else "blurred" if rng.random() < 0.02 else None
            caution = reason is None and any((answer.p_value or 0) < CAUTION_BELOW_P for answer in answers)
            reading = SimpleNamespace(verdict=Verdict(tuple(answers), reason), caution=caution, section=None)
            now = today - timedelta(days=DAYS - 1 - day) + timedelta(minutes=10 * sitting)
            log.note(noted(bundle, cast(Reading, reading)), now)
    assert log.problem is None


if __name__ == "__main__":
    fill(Path(sys.argv[1]), Bundle.open(BUNDLE, KEYS), shift=1.5)
