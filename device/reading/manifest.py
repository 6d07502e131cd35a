"""A bundle's manifest: what its model is, reads, promises and was measured to do (`docs/engineers/bundle.md` has the keys).

`manifest_of` makes the record of a document. The records bound each number, text and list; what they can't express, such as
an answer about a class that isn't there, is checked after them. The packing program and the box ask the same. The fields
stand in the order in which the packing program writes them. `manifest.schema.json` is generated from the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from device.base import records, strict_json
from device.base.errors import SchemaMismatch
from device.base.records import Record, record_of

SCHEMA_VERSION: Final = 3
NETWORK = "network.tflite"
MANIFEST = "manifest.json"
CARD = "card.md"
COLOURS = 9  # how many figures say what colours a picture's tissue has (device/reading/site/stain.py)
LEAST_OUTPUTS = ("early", "middle", "features")  # the gate's two layers and the head's

# `\Z`, because Python's `$` also matches before a line's end.
Line: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=500, pattern=r"^[^\u0000-\u001f\u007f-\u009f]+\Z")
]  # one that a terminal and a page can show
Text: TypeAlias = Annotated[str, Meta(max_length=4000)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}\Z")]
Version: TypeAlias = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}\Z")]
Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Date: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
MemberName: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,49}([./][a-z0-9_-]{1,50}){0,3}\Z")]
UnitNumber: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,4}\Z")]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000)]
AtLeastOne: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Size: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000_000)]
Positive: TypeAlias = Annotated[float, Meta(ge=1e-9, le=1_000_000)]
Signed: TypeAlias = Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]
Logit: TypeAlias = Annotated[float, Meta(ge=-1_000_000_000, le=1_000_000_000)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Level: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
Confidence: TypeAlias = Annotated[float, Meta(gt=0, lt=1)]
GreyLevel: TypeAlias = Annotated[float, Meta(ge=0, le=255)]
Scores: TypeAlias = Annotated[tuple[Size, ...], Meta(min_length=1, max_length=50_000)]
Unit: TypeAlias = Literal["patient", "block", "picture"]  # what is exchangeable: pictures of one are alike
Scale: TypeAlias = Literal["needed", "not_needed"]  # the size of a picture's pixels, for a class
Modality: TypeAlias = Literal["histology", "mammography", "ultrasound"]


class Words(records.Words, frozen=True):
    """A line for people, in each language."""

    en: Line
    fr: Line


class Label(Record, frozen=True):
    """A class that the model tells from the others."""

    id: Name
    name: Words


class Preprocessing(Record, frozen=True):
    """The scale that the model works at, and the area that it reads a picture of unknown scale at."""

    um_per_px: Annotated[float, Meta(ge=0.01, le=1000)]
    area_px: Annotated[int, Meta(ge=4096, le=4_194_304)]


class NetworkOutput(Record, frozen=True):
    """An int8 output: real value = (integer − zero_point) · scale; `stride`: pixels from one cell to the next."""

    scale: Positive
    zero_point: Annotated[int, Meta(ge=-128, le=127)]
    channels: Annotated[int, Meta(ge=1, le=4096)]
    stride: Annotated[int, Meta(ge=1, le=64)]


class NetworkOutputs(Record, frozen=True):
    outputs: Annotated[
        Mapping[Name, NetworkOutput], Meta(max_length=16, extra_json_schema={"required": list(LEAST_OUTPUTS)})
    ]


class HeadArrays(Record, frozen=True):
    """The members with the head's whole numbers, and the step that they count in: 2**scale_log2 logits."""

    weights: MemberName
    bias: MemberName
    scale_log2: Annotated[int, Meta(ge=-60, le=0)]
    counts: Literal["everywhere", "tissue"] | UnsetType = UNSET


class CalibrationFacts(Record, frozen=True, kw_only=True):
    """The temperature, from how many pictures it was fitted, and the error that is left. `offsets` are in the bias."""

    temperature: Annotated[float, Meta(ge=0.001, le=1000)]
    offsets: Annotated[Mapping[str, Signed], Meta(max_length=32)] | UnsetType = UNSET
    n: AtLeastOne
    ece: Share


class DataSource(Record, frozen=True):
    name: Text
    source: Text
    terms: Text


class SplitFacts(Struct, frozen=True):
    """What a split must say; other keys (how many pictures each part has) are as the packing program put them."""

    rule: Text
    sha256: Sha256


class Amendment(Record, frozen=True):
    """Where figures are from that were put in after the bundle was made."""

    from_version: Text = field(name="from")
    command: Text
    commit: Text
    created: Date


class Provenance(Record, frozen=True):
    """`split` has the keys of `SplitFacts`, and others."""

    data: DataSource
    split: Annotated[Mapping[str, Any], Meta(max_length=16, extra_json_schema={"$ref": "#/$defs/SplitFacts"})]
    command: Text
    commit: Text
    libraries: Annotated[Mapping[str, Text], Meta(max_length=64)]
    created: Date
    amended: Amendment | UnsetType = UNSET


class MetricFacts(Struct, frozen=True):
    """What the figures must say; the rest is as it was measured."""

    scheme: Annotated[str, Meta(min_length=1, max_length=4000)]
    n: AtLeastOne


class GoldenOutputs(Record, frozen=True):
    """What reading a golden picture must give: SHA-256 of the pixels and of each output; the logits, in bundle order; the
    reason of a refusal."""

    pixels: Sha256
    outputs: Annotated[Mapping[str, Sha256], Meta(max_length=16)]
    logits: Annotated[tuple[Logit, ...], Meta(min_length=2, max_length=32)]
    reason: Annotated[str, Meta(max_length=40)] | None


class Golden(Record, frozen=True):
    """A golden picture: `picture` is its member."""

    name: Name
    picture: MemberName
    expected: GoldenOutputs


class Member(Record, frozen=True):
    size: Count
    sha256: Sha256


class MapScale(Record, frozen=True):
    """Of a class map, logit units: where the colours end, and below which evidence a place is left blank."""

    limit: Positive
    blank_below: Size


class PictureLimits(Record, frozen=True):
    """The limits of the gate's first question; luminance and contrast 0…255, tissue as a share of pixels."""

    min_contrast: GreyLevel
    min_tissue: Share
    min_luminance: GreyLevel
    max_luminance: GreyLevel
    min_sharpness: Size
    soft_below: Size
    min_source_px: Size


class ScaleRule(Record, frozen=True):
    """How the gate reads a magnification off both layers' means."""

    weights: MemberName
    intercept: Signed
    octaves: Positive
    ratios: Annotated[tuple[Positive, ...], Meta(min_length=2, max_length=32)]
    centres: MemberName
    alike: Positive
    calibration_scores: Scores


class Space(Record, frozen=True):
    """A Mahalanobis distance of a layer's mean, and the distances of the calibration pictures."""

    centre: MemberName
    whitening: MemberName
    calibration_scores: Scores


class CellSpace(Record, frozen=True):
    """A Mahalanobis distance of a layer's cells, and the one above which a cell is foreign."""

    centre: MemberName
    whitening: MemberName
    limit: Positive


class GatePromise(Record, frozen=True):
    """At most `alpha` of proper pictures are refused, with `confidence`, from `n` patients or pictures."""

    alpha: Level
    confidence: Confidence
    n: AtLeastOne
    unit: Literal["patient", "picture"]
    scores: Literal["unseen", "cross-fitted"]
    threshold: Positive


class GateRules(Record, frozen=True):
    picture: PictureLimits
    scale: ScaleRule
    made: Space
    shows: Space
    cells: CellSpace
    promise: GatePromise

    @property
    def calibration_scores(self) -> dict[str, tuple[float, ...]]:
        """The calibration pictures' scores, of each question that has p-values."""
        return {
            "scale": self.scale.calibration_scores,
            "made": self.made.calibration_scores,
            "shows": self.shows.calibration_scores,
        }


class ClassPromise(Record, frozen=True):
    """A class is in the answer where its probability is `threshold` or more. Of new pictures of it at least `level` get it
    in their answer, from `n` units; of those measured `inside` of `pictures` did."""

    threshold: Share
    level: Level
    n: Count
    pictures: Count
    inside: Count


class OutsideConcern(Record, frozen=True):
    """Of so many pictures of classes of concern, how many got an answer without any such class."""

    pictures: Count
    outside: Count


class AnswerRecord(Record, frozen=True):
    """How many pictures of each class, in bundle order, got the answer with these labels."""

    labels: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=32)]
    counts: Annotated[tuple[Count, ...], Meta(min_length=2, max_length=32)]


class AnswerRules(Record, frozen=True, kw_only=True):
    """What an answer says and promises. `concern`: the classes of concern; `sum`: the name that they have in common;
    `size`: how many classes an answer has on average."""

    concern: Annotated[tuple[Name, ...], Meta(max_length=32, extra_json_schema={"uniqueItems": True})]
    sum: Words | UnsetType = UNSET
    confidence: Confidence
    unit: Unit
    classes: Annotated[Mapping[Name, ClassPromise], Meta(max_length=32)]
    size: Annotated[float, Meta(ge=1, le=32)]
    concern_outside: OutsideConcern
    record: Annotated[tuple[AnswerRecord, ...], Meta(max_length=1000)]


class PartsRule(Record, frozen=True):
    """A field whose leading region leads by more than `limit` gets a caution: at most `alpha` of fields without a class of
    concern, with `confidence`, from `n` units; of those measured `cautions` of `pictures` did."""

    statistic: Literal["leading_region"]
    limit: Size
    alpha: Level
    confidence: Confidence
    n: AtLeastOne
    unit: Unit
    pictures: AtLeastOne
    cautions: Count


class KnownKind(Record, frozen=True):
    """A kind of foreign pictures, and how many of them the bundle's network read."""

    name: Name
    pictures: AtLeastOne


class SiteRules(Record, frozen=True, kw_only=True):
    """What a clinic's commissioning needs of the laboratory. `density`: the mean optical density of the tissue in proper
    pictures, red, green, blue; absent where colours say nothing. Arrays of both layers' means and the colours, side by
    side: `centres` of each of `kinds`, `spread` and `proper` covariances within them and of proper pictures, `general` the
    direction from these to all kinds. `pictures`: how many proper ones, of how many `groups`. `made`: how, and for which
    version."""

    density: tuple[Positive, Positive, Positive] | UnsetType = UNSET
    kinds: Annotated[tuple[KnownKind, ...], Meta(min_length=2, max_length=64)]
    centres: MemberName
    spread: MemberName
    proper: MemberName
    general: MemberName
    pictures: AtLeastOne
    groups: AtLeastOne
    made: Amendment


class Manifest(Record, frozen=True):
    """`units`: names of units by their number; `metrics` has the keys of `MetricFacts`, and others."""

    schema_version: Literal[3]
    id: Name
    version: Version
    task: Literal["field classification"]
    modality: Modality
    title: Words
    labels: Annotated[tuple[Label, ...], Meta(min_length=2, max_length=32)]
    preprocessing: Preprocessing
    network: NetworkOutputs
    head: HeadArrays
    calibration: CalibrationFacts
    units: Mapping[UnitNumber, Words]
    provenance: Provenance
    metrics: Annotated[Mapping[str, Any], Meta(extra_json_schema={"$ref": "#/$defs/MetricFacts"})]
    golden: Annotated[tuple[Golden, ...], Meta(min_length=1, max_length=32)]
    members: Annotated[Mapping[MemberName, Member], Meta(max_length=128)]
    explanation: MapScale
    gate: GateRules
    answer: AnswerRules
    parts: PartsRule | UnsetType = UNSET
    scale: Scale | UnsetType = UNSET
    site: SiteRules | UnsetType = UNSET

    @property
    def needs_scale(self) -> bool:
        """Whether people get a class only where the size of a picture's pixels is known: said by the bundle; where it
        doesn't say, so of histology."""
        return self.modality == "histology" if self.scale is UNSET else self.scale == "needed"

    def label_names(self, language: str) -> dict[str, str]:
        """The classes' names by their ids, in bundle order."""
        return {label.id: label.name.text(language) for label in self.labels}

    def unit_name(self, unit: int) -> Words | None:
        """The name that a unit was given when the bundle was packed; None where it has none."""
        return self.units.get(str(unit))


def manifest_of(document: object, bundle: str) -> Manifest:
    """The record of a manifest's JSON document. Raises `SchemaMismatch` naming the first thing that a manifest can't have;
    of another schema, both versions."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        shown = f"{version!r:.20}" if version is None or isinstance(version, int | str) else type(version).__name__
        raise SchemaMismatch(bundle=bundle, detail=f"its schema_version is {shown}, not {SCHEMA_VERSION}")
    try:
        strict_json.check(document)
        manifest = record_of(document, Manifest)
        _check_open_sections(manifest)
    except ValueError as error:
        raise SchemaMismatch(bundle=bundle, detail=str(error)) from error
    for detail in _contradictions(manifest):
        raise SchemaMismatch(bundle=bundle, detail=detail)
    return manifest


def _check_open_sections(manifest: Manifest) -> None:
    """Sections that may have other keys than those that they must have. Raises `ValueError`."""
    for name, section, facts in (
        ("metrics", manifest.metrics, MetricFacts),
        ("provenance.split", manifest.provenance.split, SplitFacts),
    ):
        try:
            record_of(section, facts)
        except ValueError as error:
            raise ValueError(f"{error}, in `$.{name}`") from error


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """What is wrong with a manifest whose every field is within its bounds."""
    labels, rules, gate = {label.id for label in manifest.labels}, manifest.answer, manifest.gate
    if len(labels) < len(manifest.labels):
        yield "two of its labels have one id"
    if len(set(rules.concern)) < len(rules.concern):
        yield "its answer.concern has a class twice"
    named = {*rules.concern, *(label for row in rules.record for label in row.labels)}
    counted = {len(row.counts) for row in rules.record}
    if set(rules.classes) != labels or not named <= labels or not counted <= {len(labels)}:
        yield "its answer is about other classes than its labels"
    if not set(manifest.calibration.offsets or ()) <= labels:
        yield "its calibration.offsets are about other classes than its labels"
    if any(low >= high for low, high in pairwise(gate.scale.ratios)):
        yield "its gate.scale.ratios don't rise"
    if gate.picture.min_luminance >= gate.picture.max_luminance:
        yield "its gate.picture lets no luminance pass"
    if manifest.explanation.blank_below > manifest.explanation.limit:
        yield "its explanation.blank_below is above the limit"
    outputs = manifest.network.outputs
    if missing := [name for name in LEAST_OUTPUTS if name not in outputs]:
        yield f"its network.outputs lack {missing[0]}"
    if any(int(unit) >= outputs["features"].channels for unit in manifest.units):
        yield "its units are more than the network has"
    for golden in manifest.golden:
        expected = golden.expected
        if set(expected.outputs) != set(outputs) or len(expected.logits) != len(labels):
            yield f"its golden picture {golden.name} is about other outputs or classes"
    for member in (*_arrays(manifest), *(golden.picture for golden in manifest.golden), CARD):
        if member not in manifest.members:
            yield f"its members lack {member}"


def _arrays(manifest: Manifest) -> Iterator[str]:
    """The members that head, gate and what commissioning needs are read from."""
    head, gate, site = manifest.head, manifest.gate, manifest.site
    yield from (head.weights, head.bias)
    for space in (gate.made, gate.shows, gate.cells):
        yield from (space.centre, space.whitening)
    yield from (gate.scale.weights, gate.scale.centres)
    if site is not UNSET:
        yield from (site.centres, site.spread, site.proper, site.general)
