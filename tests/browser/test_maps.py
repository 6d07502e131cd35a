"""The map of a model that leaves glass out: the shipped one, told to, signed anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs
from PIL import Image
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from device.reading.bundle import Bundle
from device.reading.golden import observe
from device.reading.image import Limits
from device.reading.manifest import NETWORK
from device.reading.reading import Reader
from tests.support.chromium import Sample, wait_for_state
from tests.support.serving import serving
from tests.support.shipped import BUNDLE
from training.packing.container import write_bundle
from training.packing.signing import publish_key

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose model counts tissue alone."""
    folder, key = tmp_path_factory.mktemp("counting"), Ed25519PrivateKey.generate()
    publish_key(key, folder / "keys" / "test.pub")
    head = structs.replace(bundle.manifest.head, counts="tissue")
    manifest = structs.replace(bundle.manifest, head=head)
    reader = Reader(replace(bundle, manifest=manifest), Limits())
    observed = [observe(reader, bundle.members[golden.picture]) for golden in manifest.golden]
    golden = tuple(
        structs.replace(golden, expected=expected) for golden, expected in zip(manifest.golden, observed, strict=True)
    )
    manifest = structs.replace(manifest, golden=golden)
    network = BUNDLE.read_bytes()[: manifest.members[NETWORK].size]
    write_bundle(folder / "bach.loupe", manifest, network, bundle.members, key)
    with serving(folder / "log", folder / "bach.loupe", folder / "keys") as url:
        yield url


def test_a_place_of_glass_in_a_field_is_left_out_and_says_why(
    chromium: WebDriver, url: str, accepted: Sample, tmp_path: Path
):
    picture = Image.open(accepted.file).convert("RGB").resize((512, 384))
    picture.paste((246, 243, 247), (0, 352, 512, 384))
    picture.save(tmp_path / "edge.png")
    chromium.get(f"{url}/?lang=en")
    chromium.find_element(By.ID, "picker").send_keys(str(tmp_path / "edge.png"))
    assert wait_for_state(chromium, "done", "failed") == "done"
    overlay, readout = chromium.find_element(By.ID, "overlay"), chromium.find_element(By.ID, "readout")
    for _ in range(5):
        overlay.send_keys(Keys.ARROW_DOWN)
    assert readout.text.startswith("Row 11, column 9: ")
    assert "bare glass" not in readout.text
    overlay.send_keys(Keys.ARROW_DOWN)
    assert readout.text == "Row 12, column 9: bare glass, which this model leaves out"
