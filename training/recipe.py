"""A recipe: what to train, on what and how, as data (`training/recipes/*.toml`, or a file of your own).

The records here are the one place that says which settings there are, what each means and may be, and its default. Checking
and `recipe.schema.json`, by which an editor completes and checks a recipe, follow them. To add a setting, write its field
here and its row in docs/researchers/index.md, and run `python -m training.recipe`, which writes the schema anew.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

from msgspec import Meta
from msgspec.structs import replace

from device.base.json_schema import schema_text
from device.base.records import Record
from device.reading import manifest
from device.reading.manifest import Modality, Words
from training.errors import RecipeError
from training.setting_words import ALLOWED, record_of

RECIPES = Path(__file__).with_name("recipes")
SCHEMA_FILE = Path(__file__).with_name("recipe.schema.json")
LEAST_UM_PER_PX, MOST_UM_PER_PX = 0.05, 1000
SEED_LIMIT = 2**31

MODALITIES: tuple[Modality, ...] = get_args(Modality)

# What a bundle's manifest takes, so that what it would refuse when all is fitted is refused at once.
Name: TypeAlias = Annotated[
    manifest.Name, Meta(extra={ALLOWED: "small letters, digits, hyphens or underscores, a letter first, at most 40"})
]
Version: TypeAlias = Annotated[manifest.Version, Meta(extra={ALLOWED: "three numbers, such as 1.0.0"})]
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=SEED_LIMIT)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Confidence: TypeAlias = Annotated[float, Meta(ge=0.5, le=0.999)]
Passes: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]


TwoLanguages: TypeAlias = Annotated[Words, Meta(extra={ALLOWED: "a table with the texts en and fr"})]


class Label(Record, frozen=True):
    """A class: its id as the adapter knows it, and its name for people."""

    id: Annotated[Name, Meta(description="the class as the adapter knows it")]
    name: Annotated[TwoLanguages, Meta(description="the class as people read it")]


class Data(Record, frozen=True):
    """Which pictures, and at which scale the network sees them."""

    adapter: Annotated[str, Meta(description="how the data set's folder is read")]
    name: Annotated[str, Meta(description="what the pictures are: the card says it")]
    source: Annotated[str, Meta(description="where the pictures come from")]
    terms: Annotated[str, Meta(description="on what terms the pictures may be used")]
    um_per_px: Annotated[
        float,
        Meta(ge=LEAST_UM_PER_PX, le=MOST_UM_PER_PX, description="size of a pixel as the network sees the pictures, µm"),
    ]
    area_px: Annotated[
        int, Meta(ge=4096, le=4_194_304, description="how many pixels the network sees of a picture, about")
    ]
    brought_to: Annotated[
        Literal["area", "scale"],
        Meta(
            description="whether pictures are brought to `area_px`, whatever they show, or to `um_per_px` by the size of "
            "their own pixels"
        ),
    ] = "area"
    options: Annotated[
        Mapping[str, str],
        Meta(
            description="options of the adapter, as texts or numbers",
            extra_json_schema={"additionalProperties": {"type": ["string", "number"]}},
            extra={ALLOWED: "a table of texts or numbers"},
        ),
    ] = {}

    def folder_below(self, shared: Path) -> Path:
        """Where the pictures lie below the folder of all data sets: those of several sets in that folder itself."""
        return shared if self.options.get("folders") else shared / self.adapter


class SplitRule(Record, frozen=True):
    """How groups (patients) are put into parts: `folds` stratified folds of whole groups, or one fold for each group that
    has at least `min_each` pictures of every class. A single split tests on one fold and calibrates on another."""

    scheme: Annotated[
        Literal["folds", "leave-one-group-out"],
        Meta(description="stratified folds of whole groups, or one fold for each group with enough of every class"),
    ] = "folds"
    folds: Annotated[int, Meta(ge=2, le=1000, description="how many folds")] = 5
    min_each: Annotated[
        int, Meta(ge=0, le=1_000_000, description="pictures of every class that a group needs to be a fold of its own")
    ] = 1
    seed: Annotated[Seed, Meta(description="of the folds' order")] = 1
    test_fold: Annotated[int, Meta(ge=0, le=999, description="fold that a single split tests on")] = 0
    calibration_fold: Annotated[int, Meta(ge=0, le=999, description="fold that a single split calibrates on")] = 1


class NetworkChoice(Record, frozen=True):
    """Which network, where its weights come from, how many of its first blocks stay as they are, and which places of its
    class map make the logit."""

    name: Annotated[str, Meta(description="the network; `loupe-train networks` lists them")] = "lite0"
    weights: Annotated[str, Meta(description="`imagenet`, `none`, or a file of weights")] = "imagenet"
    frozen_blocks: Annotated[int, Meta(ge=0, le=16, description="first blocks that aren't trained")] = 5
    counts: Annotated[Literal["everywhere", "tissue"], Meta(description="which places' mean makes a logit")] = (
        "everywhere"
    )


class Fit(Record, frozen=True):
    """`square_px` are the sides of the squares that are cut out of pictures; several are mixed, step by step. With `copies`
    the frozen blocks read so many changed squares of each picture once, and training goes on from there."""

    epochs: Annotated[Passes, Meta(description="passes over the training part; 0 leaves a linear probe")]
    batch: Annotated[int, Meta(ge=1, le=1024, description="pictures a step")]
    square_px: Annotated[
        tuple[Annotated[int, Meta(ge=32, le=2048)], ...],
        Meta(min_length=1, description="sides of the squares cut from pictures for training, mixed step by step"),
    ]
    learning_rate: Annotated[Share, Meta(description="of AdamW, at its highest")] = 3e-4
    weight_decay: Annotated[Share, Meta(description="of AdamW")] = 1e-2
    label_smoothing: Annotated[float, Meta(ge=0, le=0.5, description="share of a target given to all classes")] = 0.1
    logit_norm: Annotated[Share, Meta(description="temperature of logit normalisation; 0: off")] = 0.0
    dropout: Annotated[float, Meta(ge=0, le=0.9, description="share of units dropped before the head")] = 0.3
    balance: Annotated[
        Literal["none", "weights", "groups", "sampling", "focal"],
        Meta(description="how classes with few pictures are made to count"),
    ] = "none"
    refit_head: Annotated[
        bool, Meta(description="fit the head once more, on the trained features of whole pictures")
    ] = False
    place: Annotated[
        Literal["anywhere", "middle"],
        Meta(description="where squares are cut: anywhere, or in a picture's middle, where what it is called by lies"),
    ] = "anywhere"
    copies: Annotated[
        int,
        Meta(ge=0, le=64, description="squares of each picture that frozen blocks read once; 0: anew each step"),
    ] = 0
    patience: Annotated[
        Passes, Meta(description="passes without a better calibration loss after which fitting stops; 0: never")
    ] = 0
    seed: Annotated[Seed, Meta(description="of weights, order and augmentation")] = 1


class Augmentation(Record, frozen=True):
    """How far each change of a training picture may go; 0 switches it off. `upright` pictures are mirrored left to right,
    never turned by quarters: in ultrasound, depth points down."""

    rotation_deg: Annotated[float, Meta(ge=0, le=180, description="largest turn, degrees")] = 180.0
    scale: Annotated[Share, Meta(description="largest change of magnification, logarithm")] = 0.3
    stain: Annotated[Share, Meta(description="relative change of haematoxylin, eosin and residual density")] = 0.25
    brightness: Annotated[Share, Meta(description="largest change of brightness, as a share")] = 0.15
    contrast: Annotated[Share, Meta(description="largest change of contrast, as a share")] = 0.2
    blur: Annotated[Share, Meta(description="strongest blur, as a share")] = 0.5
    upright: Annotated[bool, Meta(description="mirror left to right alone, never turn by quarters")] = False


class CalibrationRule(Record, frozen=True):
    """Whether calibration shifts classes (`training/evaluation/calibrate.py`) or fits a temperature alone."""

    offsets: Annotated[bool, Meta(description="fit an offset for each class beside the temperature")] = False


class GateRule(Record, frozen=True):
    """The bound on refusals: with `confidence`, at most `alpha` of proper pictures are refused. `unit` is what is
    exchangeable: the patient (the samples' group), or the picture where a set knows no patients."""

    alpha: Annotated[
        float, Meta(ge=0.001, le=0.5, description="largest share of proper pictures that the gate may refuse")
    ] = 0.05
    confidence: Annotated[Confidence, Meta(description="how sure that bound is")] = 0.9
    unit: Annotated[
        Literal["patient", "picture"],
        Meta(description="what is exchangeable: patients, or pictures where none are named"),
    ] = "patient"


class AnswerRule(Record, frozen=True):
    """Which classes are of concern, what they are called together (where there are several), and the guarantee of answers:
    with `confidence`, at least `level` of the pictures of each class get an answer that has their class in it."""

    concern: Annotated[tuple[str, ...], Meta(description="labels that are never shown as harmless")] = ()
    sum: Annotated[
        Words | None,
        Meta(
            description="what the classes of concern are called together",
            extra={ALLOWED: "a table with the texts en and fr"},
        ),
    ] = None
    level: Annotated[Confidence, Meta(description="share of each class's pictures whose answer holds their class")] = (
        0.9
    )
    confidence: Annotated[Confidence, Meta(description="how sure that is")] = 0.9


class QuantizationBudget(Record, frozen=True):
    """What the integer network may lose against the float one before packing refuses; passes of quantization-aware
    fine-tuning that are tried first."""

    max_accuracy_loss: Annotated[Share, Meta(description="accuracy that the integer network may lose")] = 0.002
    min_agreement: Annotated[Share, Meta(description="share of pictures that both networks must call alike")] = 0.995
    rescue_epochs: Annotated[
        int, Meta(ge=0, le=100, description="passes of quantization-aware fine-tuning that are tried first")
    ] = 0


class Recipe(Record, frozen=True, kw_only=True):
    """Everything that decides how a model is made."""

    id: Annotated[Name, Meta(description="of the model and its bundle")]
    version: Annotated[Version, Meta(description="of the bundle")]
    title: Annotated[TwoLanguages, Meta(description="what the model is called")]
    modality: Annotated[Modality, Meta(description="kind of pictures: decides the words that the box offers for units")]
    labels: Annotated[tuple[Label, ...], Meta(description="the classes, in order")]
    data: Data
    split: SplitRule = SplitRule()
    network: NetworkChoice = NetworkChoice()
    fit: Fit
    augmentation: Augmentation = Augmentation()
    calibration: CalibrationRule = CalibrationRule()
    gate: GateRule = GateRule()
    answer: AnswerRule = AnswerRule()
    quantization: QuantizationBudget = QuantizationBudget()


def recipe_schema() -> str:
    """The text of `recipe.schema.json`."""
    return schema_text("Recipe of a Loupe model", Recipe)


def make_recipe(table: Any) -> Recipe:
    """The recipe of a table as TOML gives it. Raises `RecipeError` that names the setting at fault."""
    recipe = record_of(Recipe, _with_options_as_texts(table))
    known = [label.id for label in recipe.labels]
    if len(known) < 2:
        raise RecipeError(f"labels has {len(known)}: a model tells at least two classes apart")
    if twice := [name for name in known if known.count(name) > 1]:
        raise RecipeError(f"labels names {twice[0]} twice")
    if "concern" not in table.get("answer", {}):
        # Until somebody says which they are, no class counts as harmless; `pack` asks for it (`training/claims.py`).
        recipe = replace(recipe, answer=replace(recipe.answer, concern=tuple(known)))
    _check_copies(recipe)
    if unknown := [label for label in recipe.answer.concern if label not in known]:
        raise RecipeError(f"answer.concern names {unknown[0]}; the labels are {', '.join(known)}")
    return recipe


def _check_copies(recipe: Recipe) -> None:
    fit = recipe.fit
    if fit.copies and not (recipe.network.frozen_blocks and recipe.network.name.startswith("lite0")):
        raise RecipeError("fit.copies keeps what frozen blocks read: set network.frozen_blocks, or fit.copies = 0")
    if fit.copies and (len(fit.square_px) > 1 or fit.patience):
        raise RecipeError("with fit.copies, fit.square_px is one side and fit.patience 0")


def _with_options_as_texts(table: Any) -> Any:
    """The table with numbers among the adapter's options as texts, since `options = { um_per_px = 0.2 }` is what anybody
    would write."""
    match table:
        case {"data": {"options": {**options}}}:
            texts = {name: str(value) if type(value) in (int, float) else value for name, value in options.items()}
            return table | {"data": table["data"] | {"options": texts}}
    return table


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


if __name__ == "__main__":
    SCHEMA_FILE.write_text(recipe_schema(), encoding="utf-8")
    print(f"wrote {os.path.relpath(SCHEMA_FILE)}")
