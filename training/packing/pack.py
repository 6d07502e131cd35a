"""Packing a run into a signed bundle: assemble, calibrate, measure, record golden outputs, sign.

Everything that is fitted here is fitted on outputs of the integer network; the test part is only read, at the end, by
the box's own code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET
from msgspec.structs import replace

from device.reading.bundle import Bundle
from device.reading.golden import verify_golden
from device.reading.manifest import CARD, PartsRule
from device.reading.reading import Reader
from training.data import CALIBRATION, LIMITS, TEST, load_pixels
from training.errors import RunError
from training.evaluation.calibrate import Calibration, expected_calibration_error, fit_calibration
from training.evaluation.card import write_card
from training.evaluation.metrics import measurable, summary
from training.evaluation.sets import answer_rules, sets_of_split
from training.evaluation.table import class_columns, read_table
from training.evaluation.words import scheme_words, unit_of
from training.fitting.fit import Run, float_logits
from training.packing.assembly import Assembly, as_png, assemble, provenance
from training.packing.container import write_bundle
from training.packing.measured import commits_of_folds, measured_by_folds
from training.packing.samples import golden_pictures
from training.packing.signing import publish_key
from training.recipe import Recipe
from training.run_files import FACTS, PARTS, WEIGHTS
from training.stamp import warn_of


def _calibrate(assembly: Assembly, run: Run, calibration: Calibration, n: int, ece: float) -> None:
    """Offsets go into the head's bias, so that a map's mean still is the logit."""
    labels = [label.id for label in run.recipe.labels]
    assembly.manifest = replace(assembly.manifest, calibration=calibration.facts(labels, n=n, ece=ece))
    if calibration.offsets.any():
        assembly.shift_head(calibration.offsets)


def _measure_split(assembly: Assembly, run: Run) -> dict[str, Any]:
    """Calibration from the calibration part, figures from the test part, both read as the box reads."""
    recipe, labels = run.recipe, [label.id for label in run.recipe.labels]
    held, tested = run.split.parts[CALIBRATION], run.split.parts[TEST]
    table = measurable(read_table(assembly.reader(), run.data, held, labels, data=recipe.data), labels)
    logits = table[class_columns("logit", labels)].to_numpy()
    truth = table["label"].map(labels.index).to_numpy(np.int64)
    groups = table["group"].to_numpy(np.str_) if recipe.calibration.offsets else None
    calibration = fit_calibration(logits, truth, groups)
    ece = expected_calibration_error(calibration.probabilities(logits), truth)
    _calibrate(assembly, run, calibration, len(table), round(ece, 4))
    print("read the test part as the box does")
    floats = float_logits(run, load_pixels(run.data, tested, recipe.data)) + calibration.offsets
    tested_table = read_table(assembly.reader(), run.data, tested, labels, float_logits=floats, data=recipe.data)
    unit = unit_of(recipe, tested_table)
    table[class_columns("p", labels)] = calibration.probabilities(logits)
    sets = sets_of_split(table, tested_table, labels, recipe.answer)
    assembly.manifest = replace(assembly.manifest, answer=answer_rules(recipe.answer, unit, sets))
    return {"scheme": scheme_words(recipe, unit, crossval=False), **summary(tested_table, labels)}


def _measure_folds(assembly: Assembly, run: Run, folder: Path) -> dict[str, Any]:
    """Calibration, bounds and figures from a cross-validation of the same recipe, each fold read as the box reads."""
    measured = measured_by_folds(run.recipe, folder)
    commits_of_folds(run.recipe.id, run.facts["settings_sha256"], folder)
    groups = {sample.group for part in run.split.parts.values() for sample in part}
    assembly.manifest = replace(
        assembly.manifest,
        gate=measured.gate(assembly.manifest.gate, run.recipe, groups),
        answer=measured.answer,
        parts=parts_rule(folder) or UNSET,
    )
    _calibrate(assembly, run, measured.calibration, measured.metrics["n"], measured.metrics["ece"]["value"])
    return measured.metrics


def parts_rule(folder: Path) -> PartsRule | None:
    """The rule about parts of a field that `loupe-train parts` fitted on a cross-validation's readings; None without it."""
    file = folder / PARTS
    if not file.is_file():
        return None
    warn_of(file)
    return PartsRule(**json.loads(file.read_text(encoding="utf-8"))["rule"])


def command_of(run: Run, crossval: Path | None) -> str:
    """What makes this bundle, as it is typed; with `--epochs` where a network was fitted with others than the recipe's."""
    recipe = run.recipe
    fit = _epochs_flag(recipe, run.facts)
    steps = [f"fit{fit}", "pack"]
    if crossval:
        folds = {
            _epochs_flag(recipe, json.loads(file.read_text(encoding="utf-8"))) for file in crossval.glob(f"*/{FACTS}")
        }
        measure = f"crossval{max(folds, default='')}"
        steps = [measure, f"fit --everything{fit}", f"pack --crossval runs/{recipe.id}-crossval"]
    commands = (f"loupe-train {' '.join([step.split()[0], recipe.id, *step.split()[1:]])}" for step in steps)
    return " && ".join(commands)


def _epochs_flag(recipe: Recipe, facts: Mapping[str, Any]) -> str:
    return "" if facts["epochs"] == recipe.fit.epochs else f" --epochs {facts['epochs']}"


def _golden_files(samples: Path) -> dict[str, bytes]:
    """Drawn pictures as PNG, and the textures among the samples as the JPEG files that they are: a golden picture also
    proves the decoder."""
    drawn = {f"{name}.png": as_png(pixels) for name, pixels in golden_pictures().items()}
    return drawn | {file.name: file.read_bytes() for file in sorted(samples.glob("texture-*.jpg"))}


def pack(run: Run, out: Path, key: Ed25519PrivateKey, samples: Path, crossval: Path | None = None) -> Bundle:
    """Make the bundle of a run and verify it as the box would. Returns it opened.

    Calibration and figures come from the run's calibration and test parts or, for a run on everything, from the folder of a
    cross-validation. `samples` is the folder that `loupe-train samples` wrote; its textures become golden pictures. Raises
    `RunError` when there is neither, and where folds were fitted with other settings or epochs than the run.
    """
    if crossval is None and not (run.split.parts[CALIBRATION] and run.split.parts[TEST]):
        raise RunError(f"{run.folder} was trained on everything: give --crossval, the folder that measured the recipe")
    warn_of(run.folder / WEIGHTS)
    assembly = assemble(run, within_budget=True)
    rule = "trained on everything; measured by cross-validation" if crossval else "folds of whole groups"
    metrics = _measure_folds(assembly, run, crossval) if crossval else _measure_split(assembly, run)
    made_by = provenance(run, rule, command_of(run, crossval))
    assembly.manifest = replace(assembly.manifest, provenance=made_by, metrics=metrics)
    assembly.put_golden(_golden_files(samples))
    members = assembly.members | {CARD: write_card(assembly.manifest).encode()}
    write_bundle(out, assembly.manifest, assembly.network.read_bytes(), members, key)
    out.with_suffix(".md").write_bytes(members[CARD])  # the card again, to be read where the bundle lies
    return open_signed(out, key)


def open_signed(path: Path, key: Ed25519PrivateKey) -> Bundle:
    """Open a bundle as the box would, trusting only `key`, and reproduce its golden outputs."""
    with TemporaryDirectory() as folder:
        publish_key(key, Path(folder) / "signer.pub")
        bundle = Bundle.open(path, Path(folder))
    verify_golden(Reader(bundle, LIMITS))
    return bundle
