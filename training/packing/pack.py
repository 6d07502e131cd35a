"""Packing a run into a signed bundle: convert, calibrate, fit the gate, measure, record golden outputs, sign.

Everything that is fitted here is fitted on outputs of the integer network; the test part is only read, at the end, by
the box's own code.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import to_builtins
from numpy.typing import NDArray
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.golden import observe, verify_golden
from device.reading.image import Image
from device.reading.manifest import CARD, NETWORK
from device.reading.maps import Head
from device.reading.reading import Reader
from device.reading.runtime import Network
from device.reading.tissue import EVERYWHERE
from training import networks
from training.data import CALIBRATION, LIMITS, TEST, TRAINING, Sample, labels_of, load_images, load_pixels
from training.errors import RunError
from training.evaluation.calibrate import Calibration, expected_calibration_error, fit_calibration
from training.evaluation.card import write_card
from training.evaluation.metrics import measurable, summary
from training.evaluation.sets import answer_rules, sets_of_split
from training.evaluation.table import class_columns, read_table
from training.evaluation.words import scheme_words, unit_of
from training.fitting.fit import LIBRARIES, Run, float_logits
from training.gate.fit import collect, fit_gate, rescaled_indexes
from training.gate.rules import gate_rules, promise_across_groups
from training.packing.container import npy, write_bundle
from training.packing.measured import measured_by_folds
from training.packing.samples import golden_pictures
from training.packing.signing import publish_key
from training.quantization.aware import rescue
from training.quantization.budget import check_budget
from training.quantization.convert import OUTPUTS, IntegerHead, box_outputs, convert, integer_head
from training.run_files import PARTS

REPRESENTATIVE = 200
T = TypeVar("T")
FITTED = 2000  # pictures that the gate and the quantization's ranges are fitted on
COMPARED = 1000  # pictures that both networks read before packing
EXPLAINED = 200  # pictures from whose maps the colour scale is taken


@dataclass
class _Draft:
    """A bundle in the making: manifest and members so far, readable by the box's code from the run's folder."""

    manifest: dict[str, Any]
    members: dict[str, bytes]
    network: Path
    head: IntegerHead
    counts: str  # which places make a logit
    shown: Sequence[NDArray[np.uint8]]  # pictures from whose maps the colour scale is taken

    def bundle(self) -> Bundle:
        return Bundle("draft", "", "", self.manifest, self.members, self.network)

    def reader(self) -> Reader:
        return Reader(self.bundle(), LIMITS)


def _spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spread."""
    return list(items[:: max(1, -(-len(items) // count))])


def representative(pictures: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Pictures of the commonest shape, evenly spread: the converter takes one shape."""
    shape = Counter(picture.shape for picture in pictures).most_common(1)[0][0]
    return _spread([picture for picture in pictures if picture.shape == shape], REPRESENTATIVE)


def _quantize(run: Run, pictures: Sequence[NDArray[np.uint8]]) -> tuple[Network, IntegerHead]:
    """The integer network, in the run's folder, and its head; fine-tuned for whole numbers first if the recipe says so."""
    model = run.model
    if epochs := run.recipe.quantization.rescue_epochs:
        print("fine-tune for whole numbers")
        model = rescue(model, representative(pictures), epochs, run.recipe.fit.seed, run.recipe.network.counts)
    print("convert to integers")
    file = run.folder / NETWORK
    file.write_bytes(convert(model, representative(pictures)))
    network = Network(file)
    return network, integer_head(model, network.outputs["features"].scale)


def _add_gate(draft: _Draft, run: Run, samples: Sequence[Sample], images: Sequence[Image], network: Network) -> None:
    """Fit on `images`, the decoded samples; the promise rests on scores across their groups."""
    chosen = [samples[index] for index in rescaled_indexes(len(samples))]
    groups = np.array([sample.group for sample in samples])
    outputs = collect(network, images, load_pixels(run.data, chosen, None), groups)
    rules, arrays = gate_rules(fit_gate(outputs), images)
    promise_across_groups(rules, run.recipe.gate, outputs)
    draft.manifest["gate"] = rules
    draft.members |= {member: npy(array) for member, array in arrays.items()}


def _put_head(draft: _Draft, offsets: NDArray[np.float64] | float = 0.0) -> Head:
    """Put the head into the draft, its bias shifted by each class's offset."""
    weights = draft.head
    bias = weights.bias + np.rint(offsets / 2.0**weights.scale_log2).astype(np.int64)
    draft.members |= {"head/weights.npy": npy(weights.weights), "head/bias.npy": npy(bias)}
    draft.manifest["head"] = {
        "weights": "head/weights.npy",
        "bias": "head/bias.npy",
        "scale_log2": weights.scale_log2,
        **({} if draft.counts == EVERYWHERE else {"counts": draft.counts}),
    }
    return Head(draft.bundle())


def _add_head(draft: _Draft, network: Network, offsets: NDArray[np.float64] | float = 0.0) -> None:
    """Put the head into the draft, its bias shifted by each class's offset, and the scale of its maps' colours."""
    head = _put_head(draft, offsets)
    evidence = np.abs(np.concatenate([head.maps(network.run(p)["features"], p).values.ravel() for p in draft.shown]))
    # The scale's end is seldom passed; what lies below the middle of all evidence is called little.
    draft.manifest["explanation"] = {
        "limit": round(float(np.nanquantile(evidence, 0.99)), 2),
        "blank_below": round(float(np.nanquantile(evidence, 0.5)), 2),
    }


def _draft(run: Run, *, within_budget: bool) -> _Draft:
    """Network, head and gate of a run; temperature 1. With `within_budget`, raises `QuantizationBudgetExceeded` where the
    integer network loses more than the recipe allows."""
    recipe = run.recipe
    samples = _spread([*run.split.parts[TRAINING], *run.split.parts[CALIBRATION]], FITTED)
    images = load_images(run.data, samples, recipe.data.area_px)
    pictures = [image.pixels for image in images]
    network, head = _quantize(run, pictures)
    strides = networks.output_strides(box_outputs(run.model))
    manifest: dict[str, Any] = {
        "schema_version": 3,
        "id": recipe.id,
        "version": recipe.version,
        "task": "field classification",
        "modality": recipe.modality,
        "title": to_builtins(recipe.title),
        "labels": [to_builtins(label) for label in recipe.labels],
        "preprocessing": {"um_per_px": recipe.data.um_per_px, "area_px": recipe.data.area_px},
        "network": {
            "outputs": {
                name: {
                    "scale": network.outputs[name].scale,
                    "zero_point": network.outputs[name].zero_point,
                    "channels": int(run.model.output[name].shape[-1]),
                    "stride": strides[name],
                }
                for name in OUTPUTS
            }
        },
        "head": {},
        "calibration": {"temperature": 1.0, "n": 1, "ece": 0.0},
        "units": {},
        "provenance": {},
        "metrics": {},
        "golden": [],
        "members": {},
    }
    draft = _Draft(manifest, {}, run.folder / NETWORK, head, recipe.network.counts, _spread(pictures, EXPLAINED))
    _add_head(draft, network)
    if within_budget:
        compared = _spread(range(len(samples)), COMPARED)
        seen = [pictures[index] for index in compared]
        truth = labels_of([samples[index] for index in compared])
        maps = Head(draft.bundle()).maps
        logits = np.stack([maps(network.run(picture)["features"], picture).logits for picture in seen])
        found = check_budget(logits, float_logits(run, seen), truth, recipe.quantization)
        print(f"integer against float network on {found.n} pictures: {found.agreement:.2%} agree")
    print("fit the gate on the integer network")
    _add_gate(draft, run, samples, images, network)
    return draft


def draft_reader(run: Run) -> Reader:
    """The box's reader of a run that isn't packed yet: integer network and gate, temperature 1."""
    return _draft(run, within_budget=False).reader()


def network_and_head(run: Run) -> tuple[Network, Head]:
    """The integer network that reading a run left in its folder, and its head, without a gate. Raises `RunError` when it
    isn't there, or was fine-tuned for whole numbers, of which the run's own weights know nothing."""
    file = run.folder / NETWORK
    if not file.is_file():
        raise RunError(f"{run.folder} has no {NETWORK}: run `loupe-train crossval` with this recipe first")
    if run.recipe.quantization.rescue_epochs:
        raise RunError(f"the head of {file} was fine-tuned with it and is not kept: set quantization.rescue_epochs = 0")
    network = Network(file)
    features = network.outputs["features"]
    manifest = {"network": {"outputs": {"features": {"zero_point": features.zero_point}}}}
    return network, _put_head(
        _Draft(manifest, {}, file, integer_head(run.model, features.scale), run.recipe.network.counts, ())
    )


def _calibrate(draft: _Draft, run: Run, calibration: Calibration, n: int, ece: float) -> None:
    """Offsets go into the head's bias, so that a map's mean still is the logit."""
    labels = [label.id for label in run.recipe.labels]
    draft.manifest["calibration"] = {**calibration.to_json(labels), "n": n, "ece": ece}
    if calibration.offsets.any():
        _add_head(draft, Network(draft.network), calibration.offsets)


def _measure_split(draft: _Draft, run: Run) -> dict[str, Any]:
    """Calibration from the calibration part, figures from the test part, both read as the box reads."""
    recipe, labels = run.recipe, [label.id for label in run.recipe.labels]
    held, tested = run.split.parts[CALIBRATION], run.split.parts[TEST]
    table = measurable(read_table(draft.reader(), run.data, held, labels), labels)
    logits = table[class_columns("logit", labels)].to_numpy()
    truth = table["label"].map(labels.index).to_numpy(np.int64)
    groups = table["group"].to_numpy(np.str_) if recipe.calibration.offsets else None
    calibration = fit_calibration(logits, truth, groups)
    ece = expected_calibration_error(calibration.probabilities(logits), truth)
    _calibrate(draft, run, calibration, len(table), round(ece, 4))
    print("read the test part as the box does")
    floats = float_logits(run, load_pixels(run.data, tested, recipe.data.area_px)) + calibration.offsets
    tested_table = read_table(draft.reader(), run.data, tested, labels, float_logits=floats)
    unit = unit_of(recipe, tested_table)
    table[class_columns("p", labels)] = calibration.probabilities(logits)
    sets = sets_of_split(table, tested_table, labels, recipe.answer)
    draft.manifest["answer"] = answer_rules(recipe.answer, unit, sets)
    return {"scheme": scheme_words(recipe, unit, crossval=False), **summary(tested_table, labels)}


def _measure_folds(draft: _Draft, run: Run, folder: Path) -> dict[str, Any]:
    """Calibration, promises and figures from a cross-validation of the same recipe, each fold read as the box reads."""
    measured = measured_by_folds(run.recipe, folder)
    groups = {sample.group for part in run.split.parts.values() for sample in part}
    measured.promise_of_gate(draft.manifest["gate"], run.recipe, groups)
    draft.manifest["answer"] = measured.answer
    if rule := parts_rule(folder):
        draft.manifest["parts"] = rule
    _calibrate(draft, run, measured.calibration, measured.metrics["n"], measured.metrics["ece"]["value"])
    return measured.metrics


def parts_rule(folder: Path) -> dict[str, Any] | None:
    """The rule about parts of a field that `loupe-train parts` fitted on a cross-validation's readings; None without it."""
    file = folder / PARTS
    if not file.is_file():
        return None
    rule: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["rule"]
    return rule


def _provenance(run: Run, crossval: Path | None) -> dict[str, Any]:
    recipe, parts = run.recipe, run.split.parts
    steps = ["fit", "pack"]
    if crossval:
        steps = ["crossval", "fit --everything", f"pack --crossval runs/{recipe.id}-crossval"]
    commands = (f"loupe-train {' '.join([step.split()[0], recipe.id, *step.split()[1:]])}" for step in steps)
    return {
        "data": {"name": recipe.data.name, "source": recipe.data.source, "terms": recipe.data.terms},
        "split": {
            "rule": "trained on everything; measured by cross-validation" if crossval else "folds of whole groups",
            "sha256": run.split.sha256,
            **{part: len(samples) for part, samples in parts.items()},
        },
        "command": " && ".join(commands),
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


def pack(run: Run, out: Path, key: Ed25519PrivateKey, samples: Path, crossval: Path | None = None) -> Bundle:
    """Make the bundle of a run and verify it as the box would. Returns it opened.

    Calibration and figures come from the run's calibration and test parts or, for a run on everything, from the folder of a
    cross-validation. `samples` is the folder that `loupe-train samples` wrote; its textures become golden pictures. Raises
    `RunError` when there is neither.
    """
    if crossval is None and not (run.split.parts[CALIBRATION] and run.split.parts[TEST]):
        raise RunError(f"{run.folder} was trained on everything: give --crossval, the folder that measured the recipe")
    draft = _draft(run, within_budget=True)
    manifest, members = draft.manifest, draft.members
    manifest["provenance"] = _provenance(run, crossval)
    manifest["metrics"] = _measure_folds(draft, run, crossval) if crossval else _measure_split(draft, run)
    reader = draft.reader()
    for file, picture in _golden_files(samples).items():
        members[f"golden/{file}"] = picture
        expected = observe(reader, picture)
        manifest["golden"].append({"name": Path(file).stem, "picture": f"golden/{file}", "expected": expected})
    members[CARD] = write_card(manifest).encode()
    write_bundle(out, manifest, draft.network.read_bytes(), members, key)
    out.with_suffix(".md").write_bytes(members[CARD])  # the card again, to be read where the bundle lies
    return open_signed(out, key)


def open_signed(path: Path, key: Ed25519PrivateKey) -> Bundle:
    """Open a bundle as the box would, trusting only `key`, and reproduce its golden outputs."""
    with TemporaryDirectory() as folder:
        publish_key(key, Path(folder) / "signer.pub")
        bundle = Bundle.open(path, Path(folder))
    verify_golden(Reader(bundle, LIMITS))
    return bundle
