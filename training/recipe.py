"""A recipe: what to train, on what and how, as data (`training/recipes/*.toml`, or a file of your own)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

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


@dataclass(frozen=True)
class SplitRule:
    """Blocks of `block` consecutive image numbers; `test` and `calibration` name blocks by their first number."""

    block: int
    test: tuple[int, ...]
    calibration: tuple[int, ...]


@dataclass(frozen=True)
class Fit:
    epochs: int
    batch: int
    square_px: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    dropout: float
    seed: int


@dataclass(frozen=True)
class Augmentation:
    """How far each change of a training picture may go; 0 switches it off."""

    rotation_deg: float
    scale: float
    stain: float
    brightness: float
    contrast: float
    blur: float


@dataclass(frozen=True)
class GateRule:
    alpha: float


@dataclass(frozen=True)
class Recipe:
    id: str
    version: str
    title: Mapping[str, str]
    labels: tuple[Label, ...]
    data: Data
    split: SplitRule
    fit: Fit
    augmentation: Augmentation
    gate: GateRule


# What a number may be, by its path in the file.
RANGES: dict[str, tuple[float, float]] = {
    "data.um_per_px": (0.05, 1000),
    "data.area_px": (4096, 4_194_304),
    "split.block": (1, 10_000),
    "fit.epochs": (0, 10_000),
    "fit.batch": (1, 1024),
    "fit.square_px": (32, 2048),
    "fit.learning_rate": (0, 1),
    "fit.weight_decay": (0, 1),
    "fit.label_smoothing": (0, 0.5),
    "fit.dropout": (0, 0.9),
    "fit.seed": (0, 2**31),
    "augmentation.rotation_deg": (0, 180),
    "augmentation.scale": (0, 1),
    "augmentation.stain": (0, 1),
    "augmentation.brightness": (0, 1),
    "augmentation.contrast": (0, 1),
    "augmentation.blur": (0, 1),
    "gate.alpha": (0.001, 0.5),
}

_NESTED: dict[str, type[Any]] = {
    "data": Data,
    "split": SplitRule,
    "fit": Fit,
    "augmentation": Augmentation,
    "gate": GateRule,
}
_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}


def _build(kind: type[T], table: Any, path: str) -> T:
    if not isinstance(table, dict):
        raise RecipeError(f"{path} must be a table")
    assert is_dataclass(kind)
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(table.keys() - known.keys()):
        raise RecipeError(f"unknown setting {path}{unknown[0]}; there are {', '.join(known)}")
    if missing := [name for name in known if name not in table]:
        raise RecipeError(f"{path}{missing[0]} is missing")
    return kind(**{name: _value(str(known[name].type), value, path + name) for name, value in table.items()})


def _value(kind: str, value: Any, path: str) -> Any:
    if kind in _KINDS and (isinstance(value, bool) or not isinstance(value, _KINDS[kind])):
        raise RecipeError(f"{path} = {value!r} must be {kind}")
    if path in RANGES and not RANGES[path][0] <= value <= RANGES[path][1]:
        raise RecipeError(f"{path} = {value} must lie in {RANGES[path][0]:g}…{RANGES[path][1]:g}")
    if kind.startswith("Mapping") and (not isinstance(value, dict) or value.keys() != {"en", "fr"}):
        raise RecipeError(f"{path} must have the texts en and fr")
    if kind == "tuple[int, ...]":
        if not isinstance(value, list) or not all(isinstance(number, int) for number in value):
            raise RecipeError(f"{path} must be a list of whole numbers")
        return tuple(value)
    if path == "labels":
        return tuple(_build(Label, label, f"labels[{number}].") for number, label in enumerate(value))
    if path in _NESTED:
        return _build(_NESTED[path], value, f"{path}.")
    return float(value) if kind == "float" else value


def load_recipe(name: str) -> Recipe:
    """The recipe of a name (`bach`) or of a file (`my.toml`). Raises `RecipeError` that names the setting at fault."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        shipped = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise RecipeError(f"there is no recipe {name}; shipped are {shipped}, or name a .toml file") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    return _build(Recipe, table, "")
