"""A part of a field that speaks for a class of concern: how much of it calls for a caution, and what the caution finds.

The statistic is `device/reading/regions.py`'s: the lead of a field's leading region. Its limit is the lowest that bounds
the rate of cautions among proper fields *without* a class of concern that no network of the folds had seen: "with this
confidence, at most this share of them gets a caution". A field whose answer names a class of concern gets no caution, so
its lead counts as none. Units (patients, or what stands for them) are exchangeable, and the bound is that of
`device/reading/rate_bound.py`: where they are too few for the share that is asked for, the limit is the greatest lead among
them, and the share is the least that they can bound.

What is measured is cross-fitted: a fold's pictures are judged by its own network, with probabilities, thresholds of the
answer and a limit that come from the other folds. Mosaics are made of pictures of one fold, by the same rules. The gate
isn't asked about mosaics.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device.reading.maps import Head, Maps
from device.reading.prediction_sets import prediction_sets
from device.reading.rate_bound import bound_rate
from device.reading.regions import Region, leading, regions_of
from device.reading.runtime import Network
from training.data import Sample, load_pixels
from training.errors import RunError
from training.evaluation import resampling
from training.evaluation.calibrate import Calibration, fit_calibration
from training.evaluation.metrics import measurable
from training.evaluation.mosaics import EDGES, SHARES, Edge, paste, touches
from training.evaluation.sets import Answered, answered, find_threshold
from training.evaluation.table import class_columns, load_table
from training.evaluation.words import markdown_table, unit_of
from training.packing.draft import DraftFold, open_draft
from training.recipe import Recipe
from training.run_files import PARTS, READINGS
from training.stamp import inputs, source, stamp, warn_of

STATISTIC = "leading_region"
ALPHA, CONFIDENCE = 0.01, 0.9
SEED = 1
AGREE = 1e-6  # logits that are read again differ by no more than rounding
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Fields:
    """Accepted, unseen pictures of known class, in the order of the readings: what answers need, `concerned`: whether the
    picture is of a class of concern, and `leads`: the lead of its leading region [n]."""

    answers: Answered
    concerned: Bools
    leads: Floats


@dataclass(frozen=True)
class Limit:
    """Beyond which lead a part calls for a caution, and the bound on how often that happens."""

    lead: float
    alpha: float
    confidence: float
    units: int


def find_limit(leads: Floats, units: NDArray[np.str_]) -> Limit:
    """From the leads of fields without a class of concern [n], 0 where the answer names one anyway, and each one's unit."""
    bound = bound_rate(leads, units, ALPHA, CONFIDENCE)
    return Limit(bound.threshold, bound.alpha, bound.confidence, bound.units)


def unanswered(leads: Floats, sets: Bools, concern: Sequence[int]) -> Floats:
    """Leads [n] where the answer's set, bool [n, classes], holds no class of concern; 0 elsewhere: there is no caution."""
    return np.where(sets[:, list(concern)].any(1), 0.0, leads)


@dataclass(frozen=True)
class Rules:
    """What a fold's pictures are judged by, all from the other folds."""

    calibration: Calibration
    thresholds: Floats
    limit: Limit


@dataclass(frozen=True)
class Judge:
    """Makes the rules of each fold. `calibrations`: of each fold, from the others; `concern`: indexes of its classes;
    `leads` [n]: those of the fields, 0 where the answer that its fold's rules give names a class of concern."""

    recipe: Recipe
    fields: Fields
    calibrations: Mapping[str, Calibration]
    concern: Sequence[int]
    leads: Floats

    def limit(self, among: Bools) -> Limit:
        """From some of the fields [n]: those without a class of concern count."""
        clear = among & ~self.fields.concerned
        return find_limit(self.leads[clear], self.fields.answers.units[clear])

    def rules(self, fold: str) -> Rules:
        others = self.fields.answers.folds != fold
        thresholds = self.fields.answers.thresholds(find_threshold(self.recipe.answer), others)
        return Rules(self.calibrations[fold], np.array([one.threshold for one in thresholds]), self.limit(others))


def lead_of_field(maps: Maps, concern: Sequence[int]) -> tuple[float, Region | None]:
    """The lead of a field's leading region, 0 where it has none, and the region."""
    region = leading(regions_of(maps, concern))
    return (0.0, None) if region is None else (region.lead, region)


def shifted(maps: Maps, offsets: Floats) -> Maps:
    """Maps with what calibration adds to each class."""
    return Maps(maps.values + offsets, maps.logits + offsets, maps.units)


@dataclass(frozen=True)
class FoldRead:
    """A fold's network and head, its test part, and the pixels that the network sees of each picture of it."""

    network: Network
    head: Head
    samples: Sequence[Sample]
    pixels: Sequence[NDArray[np.uint8]]

    def maps(self, pixels: NDArray[np.uint8]) -> Maps:
        return self.head.maps(self.network.run(pixels)["features"], pixels)


def unseen_fields(fold: DraftFold) -> FoldRead:
    """A fold's network and head, with the fields that they never saw."""
    pixels = load_pixels(fold.data, fold.unseen, fold.recipe.data)
    return FoldRead(fold.reader.network, fold.reader.head, fold.unseen, pixels)


# --- what is measured ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tried:
    """A mosaic, judged: which class was pasted, how much and how, into a picture of which class and unit; whether the most
    probable class is of concern, whether the answer names one, whether there is a caution, and one at the part."""

    pasted: int
    share: float
    edge: str
    into: int
    unit: str
    top: bool
    answer: bool
    caution: bool
    at_part: bool


def try_mosaics(
    fold: FoldRead, rules: Rules, concern: Sequence[int], usable: Mapping[tuple[str, str], str]
) -> list[Tried]:
    """Each usable picture without a class of concern with a part of a usable one of each class of concern, of each size and
    edge. `usable`: the unit of each picture that the gate accepts, by file and box."""
    chance = np.random.default_rng(SEED)
    known = [(s, p) for s, p in zip(fold.samples, fold.pixels, strict=True) if _key(s) in usable]
    hosts = [(sample, pixels) for sample, pixels in known if sample.label not in concern]
    tried = []
    for label in concern:
        donors = [pixels for sample, pixels in known if sample.label == label]
        if not donors:
            continue
        for share in SHARES:
            for edge in EDGES:
                for sample, pixels in hosts:
                    other = donors[chance.integers(len(donors))]
                    unit = usable[_key(sample)]
                    tried.append(
                        _try(fold, rules, concern, (sample, unit, pixels), (label, other, share, edge), chance)
                    )
    return tried


def _try(
    fold: FoldRead, rules: Rules, concern: Sequence[int], host: tuple[Sample, str, NDArray[np.uint8]],
    part: tuple[int, NDArray[np.uint8], float, Edge], chance: np.random.Generator,
) -> Tried:  # fmt: skip
    sample, unit, field = host
    label, other, share, edge = part
    mosaic = paste(field, other, share, edge, chance)
    maps = fold.maps(mosaic.pixels)
    p = rules.calibration.probabilities(maps.logits[None])
    held = prediction_sets(p, rules.thresholds)[0, list(concern)].any()
    lead, region = lead_of_field(shifted(maps, rules.calibration.offsets), concern)
    caution = bool(not held and lead > rules.limit.lead)
    at_part = False
    if region is not None:
        rows, columns, _ = maps.values.shape
        down, across = field.shape[0] / rows, field.shape[1] / columns
        place = region.strongest
        at_part = touches(mosaic.box, (place.row + 0.5) * down, (place.column + 0.5) * across)
    return Tried(
        pasted=label,
        share=share,
        edge=edge.name,
        into=sample.label,
        unit=unit,
        top=int(p[0].argmax()) in concern,
        answer=bool(held),
        caution=caution,
        at_part=caution and at_part,
    )


def share_with_interval(hits: Bools, units: NDArray[np.str_]) -> dict[str, Any]:
    """`n`, `hits` and their share with a 95 % interval over units."""
    names, index = np.unique(units, return_inverse=True)
    if not len(names):
        return {"n": 0, "hits": 0, "value": None, "low": None, "high": None}
    weights = resampling.patient_weights(len(names)) if len(names) > 1 else np.ones((1, 1))
    interval = resampling.interval(resampling.ratio(weights, index, hits.astype(np.float64)))
    return {"n": len(hits), "hits": int(hits.sum()), **interval}


def mosaic_rows(tried: Sequence[Tried], labels: Sequence[str]) -> list[dict[str, Any]]:
    """For each pasted class, size and edge, in how many mosaics which of the answers held the class of concern."""
    rows = []
    for pasted, share, edge in dict.fromkeys((one.pasted, one.share, one.edge) for one in tried):
        own = [one for one in tried if (one.pasted, one.share, one.edge) == (pasted, share, edge)]
        units = np.array([one.unit for one in own])

        def counted(holds: Callable[[Tried], bool], own: list[Tried] = own, units: Any = units) -> dict[str, Any]:
            return share_with_interval(np.array([holds(one) for one in own]), units)

        rows.append(
            {
                "pasted": labels[pasted],
                "share": share,
                "edge": edge,
                "top": counted(lambda one: one.top),
                "answer": counted(lambda one: one.answer),
                "caution": counted(lambda one: one.caution),
                "at_part": counted(lambda one: one.at_part),
                "either": counted(lambda one: one.answer or one.caution),
            }
        )
    return rows


def field_rows(fields: Fields, cautions: Bools, answers: Bools, labels: Sequence[str]) -> list[dict[str, Any]]:
    """For proper fields of each class, and all without a class of concern, how many answers name one, and how many fields
    that are left get a caution."""
    kinds = [(label, fields.answers.truth == number) for number, label in enumerate(labels)]
    kinds.append(("without a class of concern", ~fields.concerned))
    return [
        {
            "fields": name,
            "answer": share_with_interval(answers[own], fields.answers.units[own]),
            "caution": share_with_interval(cautions[own], fields.answers.units[own]),
        }
        for name, own in kinds
    ]


def measure_parts(recipe: Recipe, data: Path, crossval: Path, tell: Callable[[str], None] = print) -> dict[str, Any]:
    """Fit the limit on a cross-validation's readings, measure it, and write `parts.json` into its folder; JSON-able.

    Raises `RunError` when the recipe names no class of concern, or a fold's network isn't the one whose readings these are.
    """
    labels = [label.id for label in recipe.labels]
    if not recipe.answer.concern:
        raise RunError(f"recipe {recipe.id} names no class of concern: set answer.concern")
    concern = [labels.index(label) for label in recipe.answer.concern]
    warn_of(crossval / READINGS)
    table = load_table(crossval / READINGS)
    answers = answered(table, labels)
    calibrations = _calibrations(recipe, table, sorted(set(answers.folds.tolist())))
    opened = {name: unseen_fields(open_draft(recipe, data, crossval / name)) for name in calibrations}
    usable = _usable(table, labels)
    leads = np.full(len(usable), np.nan)
    for name, fold in opened.items():
        leads_of_fold = _leads(fold, usable, concern, calibrations[name].offsets, crossval / name)
        leads[list(leads_of_fold)] = list(leads_of_fold.values())
        tell(f"fold {name}: {len(leads_of_fold)} fields read")
    if np.isnan(leads).any():
        raise RunError(f"{crossval / READINGS} has pictures that no fold's test part has: run crossval again")
    fields = Fields(answers, np.isin(answers.truth, concern), leads)
    sets = answers.cross_fitted(find_threshold(recipe.answer))
    judge = Judge(recipe, fields, calibrations, concern, unanswered(leads, sets, concern))
    rules = {name: judge.rules(name) for name in opened}
    cautions = np.zeros(len(leads), bool)
    for name, its in rules.items():
        own = answers.folds == name
        cautions[own] = judge.leads[own] > its.limit.lead
    rows = field_rows(fields, cautions, np.asarray(sets[:, concern].any(1)), labels)
    limit = judge.limit(np.ones(len(leads), bool))
    document = {
        "recipe": recipe.id,
        "rule": {
            "statistic": STATISTIC,
            "limit": limit.lead,
            "alpha": round(limit.alpha, 4),
            "confidence": limit.confidence,
            "n": limit.units,
            "unit": unit_of(recipe, table),
            "pictures": rows[-1]["caution"]["n"],
            "cautions": rows[-1]["caution"]["hits"],
        },
        "fields": rows,
        "mosaics": [],
    }
    file = crossval / PARTS
    made_from = source(
        f"`loupe-train parts {recipe.id}`", (__name__,), inputs(file, crossval / READINGS), recipe=recipe.id
    )

    def write() -> None:
        file.write_text(json.dumps(document, indent=2), encoding="utf-8")
        stamp(file, made_from)

    write()  # packing needs no more than this
    tell(f"limit {limit.lead:.3f}; of the folds {', '.join(f'{its.limit.lead:.3f}' for its in rules.values())}")
    units = {key: one.unit for key, one in usable.items()}
    tried: list[Tried] = []
    for name, fold in opened.items():
        tried += try_mosaics(fold, rules[name], concern, units)
        tell(f"fold {name}: {len(tried)} mosaics read so far")
    document["mosaics"] = mosaic_rows(tried, labels)
    write()
    return document


@dataclass(frozen=True)
class _Usable:
    """A reading that the gate accepted: its row among them, its unit, and its logits [classes] before calibration."""

    row: int
    unit: str
    logits: Floats


def _usable(table: pd.DataFrame, labels: Sequence[str]) -> dict[tuple[str, str], _Usable]:
    """The readings that `answered` takes, in its order, by file and box."""
    known = measurable(table, labels)
    known = known[known["reason"].isna()]
    logits = known[class_columns("logit", labels)].to_numpy(np.float64)
    keys = (
        (str(file), "" if pd.isna(box) else str(box)) for file, box in zip(known["file"], known["box"], strict=True)
    )
    units = known["group"].to_numpy(str).tolist()
    return {key: _Usable(row, units[row], logits[row]) for row, key in enumerate(keys)}


def _key(sample: Sample) -> tuple[str, str]:
    return sample.file, ",".join(map(str, sample.box)) if sample.box else ""


def _leads(
    fold: FoldRead, usable: Mapping[tuple[str, str], _Usable], concern: Sequence[int], offsets: Floats, folder: Path
) -> dict[int, float]:
    """The lead of each usable picture of a fold's test part, by its row."""
    leads = {}
    for sample, pixels in zip(fold.samples, fold.pixels, strict=True):
        if (reading := usable.get(_key(sample))) is None:
            continue
        maps = fold.maps(pixels)
        if not np.allclose(maps.logits, reading.logits, rtol=0, atol=AGREE):
            raise RunError(f"{folder} doesn't read {sample.file} as its readings say: run crossval again")
        leads[reading.row] = lead_of_field(shifted(maps, offsets), concern)[0]
    return leads


def _calibrations(recipe: Recipe, table: pd.DataFrame, folds: Sequence[str]) -> dict[str, Calibration]:
    """Of each fold, fitted on the others, as the table's own p were."""
    labels = [label.id for label in recipe.labels]
    known = measurable(table, labels)
    logits = known[class_columns("logit", labels)].to_numpy(np.float64)
    truth, groups = known["label"].map(labels.index).to_numpy(np.int64), known["group"].to_numpy(str)
    others = {name: (known["fold"] != name).to_numpy(bool) for name in folds}
    return {
        name: fit_calibration(logits[rows], truth[rows], groups[rows] if recipe.calibration.offsets else None)
        for name, rows in others.items()
    }


def as_tables(found: Mapping[str, Any]) -> str:
    """The rule in a sentence, and two Markdown tables: proper fields and mosaics."""
    rule = found["rule"]
    sentence = (
        f"Limit {rule['limit']:.3f}. With {rule['confidence']:.0%} confidence at most {rule['alpha']:.1%} of proper fields "
        f"without a class of concern get the caution ({rule['n']} units: {rule['unit']}). Cross-fitted, {rule['cautions']} "
        f"of {rule['pictures']} did."
    )
    fields = markdown_table(
        ("proper fields", "n", "answer names a class of concern", "caution", "caution, share (95 %)"),
        [
            (
                row["fields"],
                str(row["answer"]["n"]),
                str(row["answer"]["hits"]),
                str(row["caution"]["hits"]),
                _told(row["caution"]),
            )
            for row in found["fields"]
        ],
    )
    names = ("top", "answer", "caution", "at_part", "either")
    mosaics = markdown_table(
        ("part of", "of the field", "edge", "n", "most probable class", "answer", "caution", "caution at the part",
         "answer or caution (95 %)"),
        [
            (
                row["pasted"],
                f"1/{round(1 / row['share'])}",
                row["edge"],
                str(row["top"]["n"]),
                *(f"{row[name]['value']:.0%}" for name in names[:-1]),
                _told(row["either"]),
            )
            for row in found["mosaics"]
        ],
    )  # fmt: skip
    return f"{sentence}\n\n{fields}\n\n{mosaics}"


def _told(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "–"
    return f"{share['value']:.0%}" + (
        f" ({share['low']:.0%} to {share['high']:.0%})" if share["low"] is not None else ""
    )
