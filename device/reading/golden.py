"""Golden pictures: before it serves, the box reads each picture in the bundle and must get what was recorded.

On an exact runtime every integer output, the pixels that reached the network and the logits are equal bit for bit; a
machine where they aren't (a runtime without its fast kernels, a bad memory, another decoder) would give readings that
nobody measured. Kernels of a runtime that isn't exact round differently by a step or two: there the verdict must agree and
the probabilities may differ by `INEXACT_TOLERANCE` at most; readings then say that they aren't exact.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from device.base.errors import GoldenMismatch, LoupeError
from device.reading.manifest import Golden, GoldenOutputs
from device.reading.maps import softmax
from device.reading.reading import Reader, Reading

INEXACT_TOLERANCE = 0.1


def digest(array: NDArray[np.generic]) -> str:
    """SHA-256 of an array's bytes, row-major."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def observe(reader: Reader, picture: bytes) -> GoldenOutputs:
    """What this machine gets for a picture, in the form that the manifest records."""
    return _observed(reader.read(picture))


def _observed(reading: Reading) -> GoldenOutputs:
    return GoldenOutputs(
        pixels=digest(reading.image.pixels),
        outputs={name: digest(reading.outputs[name]) for name in sorted(reading.outputs)},
        logits=tuple(float(logit) for logit in reading.maps.logits),
        reason=reading.verdict.reason,
    )


def verify_golden(reader: Reader) -> int:
    """Read every golden picture; the number that agreed. Raises `GoldenMismatch` naming picture and output."""
    for golden in reader.bundle.manifest.golden:
        verify_picture(reader, golden)
    return len(reader.bundle.manifest.golden)


def verify_picture(reader: Reader, golden: Golden) -> Reading:
    """Read one golden picture of the reader's bundle. Raises `GoldenMismatch`."""
    bundle, exact = reader.bundle, reader.network.runtime.exact
    name, expected = golden.name, golden.expected
    try:
        reading = reader.read(bundle.members[golden.picture])
        observed = _observed(reading)
    except (LoupeError, KeyError) as error:
        raise GoldenMismatch(bundle=bundle.name, golden=name, output=str(error)) from error
    for part in ("pixels", "outputs", "logits", "reason") if exact else ("pixels", "reason"):
        if getattr(observed, part) != getattr(expected, part):
            raise GoldenMismatch(bundle=bundle.name, golden=name, output=part)
    gap = np.abs(softmax(np.array(observed.logits)) - softmax(np.array(expected.logits))).max()
    if gap > INEXACT_TOLERANCE:
        raise GoldenMismatch(bundle=bundle.name, golden=name, output=f"probabilities (off by {gap:.2f})")
    return reading
