"""Packing a run into a signed bundle: convert, calibrate, fit the gate, measure, record golden outputs, sign.

Everything that is fitted here is fitted on outputs of the integer network; the test part is only read, at the end, by
the box's own code.
"""

from __future__ import annotations

import io
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.bundle import CARD, NETWORK, Bundle
from device.golden import observe, verify_golden
from device.maps import softmax
from device.reading import Reader
from device.runtime import Network
from training.calibrate import expected_calibration_error, fit_temperature
from training.card import write_card
from training.container import write_bundle
from training.data import CALIBRATION, LIMITS, TEST, TRAINING, labels_of, load_pixels
from training.evaluate import classification_metrics, read_samples
from training.fit import LIBRARIES, Run, float_logits
from training.fit_gate import QUESTIONS, cross_scores, fit_distance, picture_limits, pooled_rows
from training.quantize import OUTPUTS, STRIDES, convert, integer_head
from training.samples import golden_pictures
from training.signing import publish_key

REPRESENTATIVE = 100


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


class _Draft:
    """A bundle in the making: manifest and members so far, readable by the box's code from the run's folder."""

    def __init__(self, manifest: dict[str, Any], members: dict[str, bytes], network: Path) -> None:
        self.manifest, self.members, self.network = manifest, members, network

    def reader(self) -> Reader:
        return Reader(Bundle("draft", "", "", self.manifest, self.members, self.network), LIMITS)


def _fit_gate(draft: _Draft, run: Run, pictures: list[NDArray[np.uint8]], network: Network) -> None:
    """Fit on `pictures`, those of the training and then the calibration part."""
    rows = pooled_rows(network, pictures)
    groups = np.array([sample.group for part in (TRAINING, CALIBRATION) for sample in run.split.parts[part]])
    rules: dict[str, Any] = {"picture": picture_limits(pictures)}
    for question, (output, statistics) in QUESTIONS.items():
        found = fit_distance(rows[question])
        names = {part: f"gate/{question}_{part}.npy" for part in ("centre", "whitening")}
        draft.members[names["centre"]] = _npy(found.centre)
        draft.members[names["whitening"]] = _npy(found.whitening)
        cross = cross_scores(rows[question], groups)
        medians = ", ".join(f"{group}: {np.median(cross[groups == group]):.2f}" for group in np.unique(groups))
        print(f"median score of each block, {question}: {medians}")
        rules[question] = {
            "output": output,
            "statistics": list(statistics),
            **names,
            "calibration_scores": [float(score) for score in np.sort(cross)],
            "alpha": run.recipe.gate.alpha,
        }
    draft.manifest["gate"] = rules


def _calibrate(draft: _Draft, run: Run) -> None:
    samples = run.split.parts[CALIBRATION]
    draft.manifest["calibration"] = {"temperature": 1.0, "n": len(samples), "ece": 0.0}
    readings = read_samples(draft.reader(), run.data, samples)
    logits = np.stack([reading.maps.logits for reading in readings])
    temperature = fit_temperature(logits, labels_of(samples))
    ece = expected_calibration_error(softmax(logits, temperature), labels_of(samples))
    draft.manifest["calibration"] |= {"temperature": temperature, "ece": round(ece, 4)}
    evidence = np.abs(np.stack([reading.maps.values for reading in readings]))
    # The scale's end is seldom passed; what lies below the middle of all evidence is called little.
    draft.manifest["explanation"] = {
        "limit": round(float(np.quantile(evidence, 0.99)), 2),
        "blank_below": round(float(np.quantile(evidence, 0.5)), 2),
    }


def _provenance(run: Run) -> dict[str, Any]:
    recipe = run.recipe
    rule = recipe.split
    return {
        "data": {"name": recipe.data.name, "source": recipe.data.source, "terms": recipe.data.terms},
        "split": {
            "rule": f"blocks of {rule.block} consecutive image numbers; test blocks from {list(rule.test)}, calibration "
            f"blocks from {list(rule.calibration)}, the rest trained on",
            "sha256": run.split.sha256,
            **{part: len(samples) for part, samples in run.split.parts.items()},
        },
        "command": " && ".join(f"loupe-train {step} {recipe.id}" for step in ("fit", "samples", "pack")),
        "commit": run.facts["commit"],
        "libraries": run.facts["libraries"] | {name: version(name) for name in LIBRARIES},
        "created": date.today().isoformat(),
    }


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _golden_files(samples: Path) -> dict[str, bytes]:
    """Drawn pictures as PNG, and the textures among the samples as the JPEG files that they are: a golden picture also
    proves the decoder."""
    drawn = {f"{name}.png": _png(pixels) for name, pixels in golden_pictures().items()}
    return drawn | {file.name: file.read_bytes() for file in sorted(samples.glob("texture-*.jpg"))}


def pack(run: Run, out: Path, key: Ed25519PrivateKey, samples: Path) -> Bundle:
    """Make the bundle of a run and verify it as the box would. Returns it opened.

    `samples` is the folder that `loupe-train samples` wrote; its textures become golden pictures.
    """
    recipe = run.recipe
    fitted = load_pixels(run.data, run.split.parts[TRAINING], recipe.data.area_px)
    held = load_pixels(run.data, run.split.parts[CALIBRATION], recipe.data.area_px)
    print("convert to integers")
    flatbuffer = convert(run.model, fitted[:: max(1, len(fitted) // REPRESENTATIVE)])
    network_file = run.folder / NETWORK
    network_file.write_bytes(flatbuffer)
    network = Network(network_file)
    head = integer_head(run.model, network.outputs["features"].scale)
    manifest: dict[str, Any] = {
        "schema_version": 1,
        "id": recipe.id,
        "version": recipe.version,
        "task": "field classification",
        "title": dict(recipe.title),
        "labels": [{"id": label.id, "name": dict(label.name)} for label in recipe.labels],
        "preprocessing": {"um_per_px": recipe.data.um_per_px, "area_px": recipe.data.area_px},
        "network": {
            "outputs": {
                name: {
                    "scale": network.outputs[name].scale,
                    "zero_point": network.outputs[name].zero_point,
                    "channels": int(run.model.output[name].shape[-1]),
                    "stride": STRIDES[name],
                }
                for name in OUTPUTS
            }
        },
        "head": {"weights": "head/weights.npy", "bias": "head/bias.npy", "scale_log2": head.scale_log2},
        "units": {},
        "provenance": _provenance(run),
        "metrics": {},
        "golden": [],
        "members": {},
    }
    members = {"head/weights.npy": _npy(head.weights), "head/bias.npy": _npy(head.bias)}
    draft = _Draft(manifest, members, network_file)
    print("fit the gate and the temperature on the integer network")
    _fit_gate(draft, run, [*fitted, *held], network)
    _calibrate(draft, run)
    print("read the test part as the box does")
    tested = run.split.parts[TEST]
    reader = draft.reader()
    readings = read_samples(reader, run.data, tested)
    floats = float_logits(run.model, load_pixels(run.data, tested, recipe.data.area_px))
    manifest["metrics"]["test"] = classification_metrics(readings, tested, floats)
    for file, picture in _golden_files(samples).items():
        members[f"golden/{file}"] = picture
        expected = observe(reader, picture)
        manifest["golden"].append({"name": Path(file).stem, "picture": f"golden/{file}", "expected": expected})
    members[CARD] = write_card(manifest).encode()
    write_bundle(out, manifest, flatbuffer, members, key)
    out.with_suffix(".md").write_bytes(members[CARD])  # the card again, to be read where the bundle lies
    return open_signed(out, key)


def open_signed(path: Path, key: Ed25519PrivateKey) -> Bundle:
    """Open a bundle as the box would, trusting only `key`, and reproduce its golden outputs."""
    with TemporaryDirectory() as folder:
        publish_key(key, Path(folder) / "signer.pub")
        bundle = Bundle.open(path, Path(folder))
    verify_golden(Reader(bundle, LIMITS))
    return bundle
