"""The model card, generated from a bundle's manifest and never written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTICE = (
    "**Research use only.** Supports a trained reader and never replaces one. Not a medical device; no figure below "
    "was measured in clinical use."
)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def write_card(manifest: Mapping[str, Any]) -> str:
    """Markdown."""
    test, data, split = manifest["metrics"]["test"], manifest["provenance"]["data"], manifest["provenance"]["split"]
    names = [label["name"]["en"] for label in manifest["labels"]]
    confusion = "\n".join(
        f"| {name} | " + " | ".join(str(count) for count in row) + " |"
        for name, row in zip(names, test["confusion"], strict=True)
    )
    gate = manifest["gate"]
    libraries = ", ".join(f"{name} {number}" for name, number in manifest["provenance"]["libraries"].items())
    return f"""# {manifest["title"]["en"]}: {manifest["id"]} {manifest["version"]}

{NOTICE}

## What it is
Reads one microscope field at about {manifest["preprocessing"]["um_per_px"]} µm/px as one of {len(names)} classes:
{", ".join(names)}. EfficientNet-Lite0 from ImageNet weights, fine-tuned, all-integer; the class map's mean is the logit.

## Data
{data["name"]}. Source: {data["source"]}. Terms: {data["terms"]}.
Split: {split["rule"]}. Pictures: {split["training"]} trained on, {split["calibration"]} for calibration,
{split["test"]} only tested on. The set has no patient ids: neighbouring numbers may be one patient, which the
blocks guard against and can't exclude. One laboratory, one scanner: expect less elsewhere.

## Measured on the test part (n = {test["n"]}), as read by the box's code
| | |
|---|---|
| accuracy, integer network | {_percent(test["accuracy"])} |
| accuracy, float network | {_percent(test["float_accuracy"])} |
| same class as the float network | {_percent(test["agreement_with_float"])} |
| balanced accuracy | {_percent(test["balanced_accuracy"])} |
| refused by the gate | {test["refused"]} of {test["n"]} |
| accuracy of what was accepted | {_percent(test["accuracy_of_accepted"])} |
| expected calibration error | {_percent(test["ece"])} |

Rows are the true class, columns the predicted one.

| | {" | ".join(names)} |
|---|{"---|" * len(names)}
{confusion}

## Gate
Each of the questions "made like" and "shows" refuses when fewer than {_percent(gate["made"]["alpha"])} of proper pictures
are expected to be as strange (cross-conformal over blocks, n = {len(gate["made"]["calibration_scores"])}: training and
calibration parts together; it holds for pictures exchangeable with those). Temperature
{manifest["calibration"]["temperature"]:.2f}, from the calibration part alone.

## Limits
- Fields only: no whole sections, no mammograms, no other stain than H&E.
- {test["n"]} test pictures: the 95 % interval of the accuracy is about ± {_interval(test["accuracy"], test["n"])} points.
- The class map shows where the network's evidence lies, not where the lesion lies.

## Made by
`{manifest["provenance"]["command"]}` at commit `{manifest["provenance"]["commit"]}`, {manifest["provenance"]["created"]};
{libraries}.
"""


def _interval(accuracy: float, n: int) -> str:
    return f"{196 * (accuracy * (1 - accuracy) / n) ** 0.5:.0f}"
