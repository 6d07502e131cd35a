"""A recipe: what to train, on what and how, as data (`training/recipes/*.toml`, or a file of your own)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from device.reading.tissue import EVERYWHERE, TISSUE
from training.errors import RecipeError

RECIPES = Path(__file__).with_name("recipes")
T = TypeVar("T")


@dataclass(frozen=True)
class Label:
    id: str
    name: Mapping[str, str]


@dataclass(frozen=True)
class Data:
    adapter: str
    name: str
    source: str
    terms: str
    um_per_px: float
    area_px: int
    options: Mapping[str, str]


@dataclass(frozen=True)
class SplitRule:
    """How groups (patients) are put on sides: `folds` stratified folds of whole groups, or one fold for each group that has
    at least `min_each` pictures of every class. A single split tests on one fold and calibrates on another."""

    scheme: str
    folds: int
    min_each: int
    seed: int
    test_fold: int
    calibration_fold: int


@dataclass(frozen=True)
class NetworkChoice:
    """Which network, where its weights come from, how many of its first blocks stay as they are, and which places of its
    class map make the logit."""

    name: str
    weights: str
    frozen_blocks: int
    counts: str


@dataclass(frozen=True)
class Fit:
    """`square_px` are the sides of the squares that are cut out of pictures; several are mixed, step by step."""

    epochs: int
    batch: int
    square_px: tuple[int, ...]
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    logit_norm: float
    dropout: float
    balance: str
    refit_head: bool
    patience: int
    seed: int


@dataclass(frozen=True)
class Augmentation:
    """How far each change of a training picture may go; 0 switches it off. `upright` pictures are mirrored left to right,
    never turned by quarters: in ultrasound, depth points down."""

    rotation_deg: float
    scale: float
    stain: float
    brightness: float
    contrast: float
    blur: float
    upright: bool


@dataclass(frozen=True)
class GateRule:
    """The promise that at most `alpha` of proper pictures are refused, with `confidence`; `unit` is what is exchangeable:
    the patient (the samples' group), or the picture where a set knows no patients."""

    alpha: float
    confidence: float
    unit: str


@dataclass(frozen=True)
class AnswerRule:
    """Which classes are of concern, what they are called together (where there are several), and what answers promise: with
    `confidence`, at least `level` of the pictures of each class get an answer that has their class in it."""

    concern: tuple[str, ...]
    sum: Mapping[str, str] | None
    level: float
    confidence: float


@dataclass(frozen=True)
class CalibrationRule:
    """Whether calibration shifts classes (`training/evaluation/calibrate.py`) or fits a temperature alone."""

    offsets: bool


@dataclass(frozen=True)
class QuantizationBudget:
    """What the integer network may lose against the float one before packing refuses; passes of quantization-aware
    fine-tuning that are tried first."""

    max_accuracy_loss: float
    min_agreement: float
    rescue_epochs: int


@dataclass(frozen=True)
class Recipe:
    id: str
    version: str
    title: Mapping[str, str]
    modality: str
    labels: tuple[Label, ...]
    data: Data
    split: SplitRule
    network: NetworkChoice
    fit: Fit
    augmentation: Augmentation
    calibration: CalibrationRule
    gate: GateRule
    answer: AnswerRule
    quantization: QuantizationBudget


NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
VERSION = re.compile(r"\d+\.\d+\.\d+")

# What a number may be, by its path in the file.
RANGES: dict[str, tuple[float, float]] = {
    "data.um_per_px": (0.05, 1000),
    "data.area_px": (4096, 4_194_304),
    "split.folds": (2, 1000),
    "split.min_each": (0, 1_000_000),
    "split.seed": (0, 2**31),
    "split.test_fold": (0, 999),
    "split.calibration_fold": (0, 999),
    "network.frozen_blocks": (0, 16),
    "fit.epochs": (0, 10_000),
    "fit.batch": (1, 1024),
    "fit.square_px": (32, 2048),
    "fit.learning_rate": (0, 1),
    "fit.weight_decay": (0, 1),
    "fit.label_smoothing": (0, 0.5),
    "fit.logit_norm": (0, 1),
    "fit.dropout": (0, 0.9),
    "fit.patience": (0, 10_000),
    "fit.seed": (0, 2**31),
    "augmentation.rotation_deg": (0, 180),
    "augmentation.scale": (0, 1),
    "augmentation.stain": (0, 1),
    "augmentation.brightness": (0, 1),
    "augmentation.contrast": (0, 1),
    "augmentation.blur": (0, 1),
    "gate.alpha": (0.001, 0.5),
    "gate.confidence": (0.5, 0.999),
    "answer.level": (0.5, 0.999),
    "answer.confidence": (0.5, 0.999),
    "quantization.max_accuracy_loss": (0, 1),
    "quantization.min_agreement": (0, 1),
    "quantization.rescue_epochs": (0, 100),
}

# What a word may be, by its path in the file.
CHOICES: dict[str, tuple[str, ...]] = {
    "modality": ("histology", "mammography", "ultrasound"),
    "split.scheme": ("folds", "leave-one-group-out"),
    "network.counts": (EVERYWHERE, TISSUE),
    "fit.balance": ("none", "weights", "groups", "sampling", "focal"),
    "gate.unit": ("patient", "picture"),
}

# What may be left out of a recipe, and what holds then.
DEFAULTS: dict[str, dict[str, Any]] = {
    "data.": {"options": {}},
    "split.": {"scheme": "folds", "folds": 5, "min_each": 1, "seed": 1, "test_fold": 0, "calibration_fold": 1},
    "network.": {"name": "lite0", "weights": "imagenet", "frozen_blocks": 5, "counts": EVERYWHERE},
    "fit.": {
        "learning_rate": 3e-4, "weight_decay": 1e-2, "label_smoothing": 0.1, "logit_norm": 0.0,
        "dropout": 0.3, "balance": "none", "refit_head": False, "patience": 0, "seed": 1,
    },
    "augmentation.": {
        "rotation_deg": 180, "scale": 0.3, "stain": 0.25, "brightness": 0.15, "contrast": 0.2, "blur": 0.5,
        "upright": False,
    },
    "calibration.": {"offsets": False},
    "gate.": {"alpha": 0.05, "confidence": 0.9, "unit": "patient"},
    "answer.": {"concern": [], "sum": None, "level": 0.9, "confidence": 0.9},
    "quantization.": {"max_accuracy_loss": 0.002, "min_agreement": 0.995, "rescue_epochs": 0},
    "": {"split": {}, "network": {}, "augmentation": {}, "calibration": {}, "gate": {}, "answer": {}, "quantization": {}},
}  # fmt: skip

_NESTED: dict[str, type[Any]] = {
    "data": Data,
    "split": SplitRule,
    "network": NetworkChoice,
    "fit": Fit,
    "augmentation": Augmentation,
    "calibration": CalibrationRule,
    "gate": GateRule,
    "answer": AnswerRule,
    "quantization": QuantizationBudget,
}
_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


def _build(kind: type[T], table: Any, path: str) -> T:
    if not isinstance(table, dict):
        raise RecipeError(f"{path} must be a table")
    assert is_dataclass(kind)
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(table.keys() - known.keys()):
        raise RecipeError(f"unknown setting {path}{unknown[0]}; there are {', '.join(known)}")
    table = DEFAULTS.get(path, {}) | table
    if missing := [name for name in known if name not in table]:
        raise RecipeError(f"{path}{missing[0]} is missing")
    return kind(**{name: _value(str(known[name].type), value, path + name) for name, value in table.items()})


def _value(kind: str, value: Any, path: str) -> Any:
    if kind in _KINDS and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool")):
        raise RecipeError(f"{path} = {value!r} must be {kind}")
    if kind == "tuple[int, ...]":
        if not isinstance(value, list) or not value or not all(type(number) is int for number in value):
            raise RecipeError(f"{path} must be a list of whole numbers")
        value = tuple(value)
    if kind == "tuple[str, ...]":
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise RecipeError(f"{path} must be a list of texts")
        value = tuple(value)
    if path in RANGES:
        low, high = RANGES[path]
        if not all(low <= number <= high for number in (value if isinstance(value, tuple) else (value,))):
            raise RecipeError(f"{path} = {value} must lie in {low:g}…{high:g}")
    if path in CHOICES and value not in CHOICES[path]:
        raise RecipeError(f"{path} = {value!r} must be one of {', '.join(CHOICES[path])}")
    if path == "data.options":
        if not isinstance(value, dict) or not all(type(option) in (str, int, float) for option in value.values()):
            raise RecipeError(f"{path} must be a table of texts or numbers")
        return {name: str(option) for name, option in value.items()}
    if kind.endswith("| None") and value is None:
        return None
    if kind.startswith("Mapping") and (not isinstance(value, dict) or value.keys() != {"en", "fr"}):
        raise RecipeError(f"{path} must have the texts en and fr")
    if path == "labels":
        return tuple(_build(Label, label, f"labels[{number}].") for number, label in enumerate(value))
    if path in _NESTED:
        return _build(_NESTED[path], value, f"{path}.")
    return float(value) if kind == "float" else value


def make_recipe(table: Any) -> Recipe:
    """The recipe of a table as TOML gives it. Raises `RecipeError` that names the setting at fault."""
    recipe = _build(Recipe, table, "")
    known = {label.id: None for label in recipe.labels}
    _check_names(recipe)
    if "concern" not in table.get("answer", {}):
        # Until somebody says which they are, no class counts as harmless; `pack` asks for it (`training/claims.py`).
        recipe = replace(recipe, answer=replace(recipe.answer, concern=tuple(known)))
    if unknown := [label for label in recipe.answer.concern if label not in known]:
        raise RecipeError(f"answer.concern names {unknown[0]}; the labels are {', '.join(known)}")
    return recipe


def _check_names(recipe: Recipe) -> None:
    """What a bundle would refuse when all is fitted is refused at once (`device/reading/manifest.schema.json`)."""
    ids = [label.id for label in recipe.labels]
    for path, name in (("id", recipe.id), *((f"labels[{number}].id", name) for number, name in enumerate(ids))):
        if not NAME.fullmatch(name):
            raise RecipeError(
                f"{path} = {name!r} must be small letters, digits, hyphens or underscores, a letter first, at most 40"
            )
    if not VERSION.fullmatch(recipe.version):
        raise RecipeError(f"version = {recipe.version!r} must be three numbers, such as 1.0.0")
    if len(ids) < 2:
        raise RecipeError(f"labels has {len(ids)}: a model tells at least two classes apart")
    if twice := [name for name in ids if ids.count(name) > 1]:
        raise RecipeError(f"labels names {twice[0]} twice")


def shipped_recipes() -> list[str]:
    """The names of the recipes that come with Loupe."""
    return sorted(file.stem for file in RECIPES.glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """The recipe of a name (`bach`) or of a file (`my.toml`). Raises `RecipeError` that names the setting at fault."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        shipped = ", ".join(shipped_recipes())
        raise RecipeError(f"there is no recipe {name}; shipped are {shipped}, or name a .toml file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    return make_recipe(table)
