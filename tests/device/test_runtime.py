"""The runtime seam: what it runs, what it refuses, and the older runtime behind the same seam."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from device.base.errors import ModelUnusable, RuntimeMissing
from device.reading.bundle import Bundle
from device.reading.runtime import Network, find_runtime
from tests.support.shipped import BUNDLE, KEYS, ROOT

FALLBACK = ROOT / ".venv-fallback" / "bin" / "python"

fallback = pytest.mark.skipif(not FALLBACK.exists(), reason="needs .venv-fallback: Python 3.11 and `make setup`")


def test_outputs_are_integers_by_name_for_any_size(bundle: Bundle) -> None:
    network = Network(bundle.network_path)
    assert network.input.scale == 1 / 128
    assert network.input.zero_point == 127
    for rows, columns in ((12, 16), (16, 12), (2, 3)):
        outputs = network.run(np.full((rows * 32, columns * 32, 3), 200, np.uint8))
        for name, output in bundle.manifest.network.outputs.items():
            step = 32 // output.stride
            assert outputs[name].shape == (rows * step, columns * step, output.channels)
            assert outputs[name].dtype == np.int8


def test_two_networks_of_one_file_do_not_share_state(bundle: Bundle) -> None:
    dark, light = (np.full((64, 64, 3), value, np.uint8) for value in (30, 220))
    first, second = Network(bundle.network_path), Network(bundle.network_path)
    expected = first.run(dark)["features"]
    second.run(light)
    assert np.array_equal(first.run(dark)["features"], expected)


def test_what_is_no_network_is_refused_with_a_name(tmp_path: Path) -> None:
    for content in (b"", b"TFL3", bytes(4000)):
        path = tmp_path / "broken.tflite"
        path.write_bytes(content)
        with pytest.raises(ModelUnusable):
            Network(path)
    with pytest.raises(ModelUnusable):
        Network(tmp_path / "none.tflite")


def test_without_any_runtime_the_box_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(RuntimeMissing):
        find_runtime()


@pytest.mark.fallback
@fallback
def test_tflite_runtime_agrees_with_the_golden_outputs_within_tolerance() -> None:
    done = subprocess.run(
        [FALLBACK, "-m", "device.cli", "verify", "--bundle", str(BUNDLE), "--keys", str(KEYS)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.fallback
@fallback
def test_readings_by_tflite_runtime_say_that_they_are_not_exact(bundle: Bundle, tmp_path: Path) -> None:
    golden = bundle.manifest.golden[0]
    picture = tmp_path / "golden.png"
    picture.write_bytes(bundle.members[golden.picture])
    command = [
        str(FALLBACK),
        "-m",
        "device.cli",
        "read",
        str(picture),
        "--json",
        "--bundle",
        str(BUNDLE),
        "--keys",
        str(KEYS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    reading = json.loads(done.stdout)
    assert reading["runtime"] == {"name": "tflite-runtime", "version": "2.14.0", "exact": False}
