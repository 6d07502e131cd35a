"""What each table has: a shipped recipe's data and fitting, the networks of the field, and what their authors published.

All networks of a table are fitted and tested on the same pictures: patients are left out, whatever the published split was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from training.distributed.trials import change
from training.networks.weights import IMAGENET, NONE
from training.recipe import Recipe, load_recipe

FOLDS = "folds"


@dataclass(frozen=True)
class Entry:
    """A row: a network, by a name of its own and in words; `settings` of the recipe that are this row's alone, by their
    path."""

    name: str
    words: str
    network: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str = NONE


@dataclass(frozen=True)
class Published:
    """A row of somebody else's, as they wrote it: `figures`; `before`, `after`: a picture's time without and with
    quantization."""

    what: str
    figures: Mapping[str, str]
    source: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Plan:
    """A table. `recipe` is the shipped one that it starts from; `split` and `settings` are what differs for all rows;
    `figures` are columns, keys of an evaluation's summary; `watched`: one more fold is left out, to draw the curves of
    pictures that weren't fitted on."""

    name: str
    title: str
    recipe: str
    entries: tuple[Entry, ...]
    figures: tuple[str, ...]
    published: tuple[Published, ...]
    epochs: int
    split: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    watched: bool = False


REPORT = "its authors' report, not a publication"
DEEPMINER = "Wu et al., SPIE 10575 (2018), arXiv:1803.04858"

IDC_CONV = Plan(
    "idc-conv",
    "The 3-conv and 5-conv networks of the field on lone IDC tiles",
    "idc-conv5",
    (Entry("conv3", "3-conv", "conv3"), Entry("conv5", "5-conv", "conv5")),
    ("accuracy", "balanced_accuracy", "macro_auroc"),
    (
        Published("3-conv baseline, patches split at random", {"accuracy": "75 %"}, REPORT),
        Published(
            "5-conv 64-128-128-128-128, dropout, augmentation, patches split at random", {"accuracy": "79 %"}, REPORT
        ),
    ),
    epochs=10,
    watched=True,
)


def _imbalance(network: str, words: str, weights: str = NONE, **settings: Any) -> tuple[Entry, Entry]:
    """A network's two rows: every picture once a pass, or each class drawn equally often."""
    off, on = ({**settings, "fit.balance": balance} for balance in ("none", "sampling"))
    return (
        Entry(f"{network}-off", f"{words}, imbalance handling off", network, off, weights),
        Entry(f"{network}-on", f"{words}, imbalance handling on", network, on, weights),
    )


BREAKHIS_NETWORKS = Plan(
    "breakhis-networks",
    "ResNet50, DenseNet201, EfficientNetB0 and Lite0 on BreakHis fields at 100×",
    "breakhis",
    (
        *_imbalance("lite0", "Lite0", IMAGENET, **{"network.frozen_blocks": 5}),
        *_imbalance("efficientnetb0", "EfficientNetB0"),
        *_imbalance("resnet50", "ResNet50"),
        *_imbalance("densenet201", "DenseNet201"),
    ),
    ("sensitivity.benign", "specificity.benign", "balanced_accuracy", "macro_auroc"),
    (
        Published(
            "ResNet50, DenseNet201 and EfficientNet, before imbalance handling and quantization",
            {"sensitivity.benign": "78 %", "specificity.benign": "88 %"},
            REPORT,
            before="1.5 s an image",
        ),
        Published(
            "the same, after",
            {"sensitivity.benign": "91 %", "specificity.benign": "94 %"},
            REPORT,
            after="0.8 s an image",
        ),
    ),
    epochs=10,
    split={"scheme": FOLDS, "folds": 3},
    # As many pixels as the 224 × 224 that the field's networks take.
    settings={"data.area_px": 50176, "data.brought_to": "area", "fit.square_px": [192], "fit.batch": 8},
)

MAMMOGRAM_NETWORKS = Plan(
    "mammogram-networks",
    "AlexNet, VGG16, Inception-v3 and ResNet-152 on mammogram windows",
    "mammogram",
    (
        Entry("alexnet", "AlexNet", "alexnet"),
        Entry("inceptionv3", "Inception-v3", "inceptionv3"),
        Entry("resnet152", "ResNet-152", "resnet152"),
        Entry("vgg16", "VGG16", "vgg16"),
    ),
    ("macro_auroc", "sensitivity.abnormal", "specificity.abnormal"),
    (
        Published(
            "AlexNet, VGG16, Inception-v3 and ResNet-152 from ImageNet weights, on patches of DDSM, another set",
            {"macro_auroc": "0.8632 to 0.8929"},
            DEEPMINER,
        ),
    ),
    epochs=10,
    split={"scheme": FOLDS, "folds": 3},
    settings={"fit.batch": 8},
)

PLANS = {plan.name: plan for plan in (IDC_CONV, BREAKHIS_NETWORKS, MAMMOGRAM_NETWORKS)}


def recipe_of(plan: Plan, entry: Entry, weights: Mapping[str, Path]) -> Recipe:
    """The recipe of a row; `weights`: by network, files to begin with. Raises `RecipeError`."""
    settings = {
        "network.name": entry.network,
        "network.weights": str(weights.get(entry.network, entry.weights)),
        "network.frozen_blocks": 0,
        **plan.settings,
        **entry.settings,
    }
    base = load_recipe(plan.recipe)
    named = replace(base, id=plan.name, split=replace(base.split, **plan.split))
    return change(named, settings)
