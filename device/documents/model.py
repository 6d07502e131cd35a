"""The models of a box: which one reads, and what `GET /api/v1/model` says of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import to_builtins

from device import __version__
from device.base.texts import words
from device.documents.records import Record, about
from device.reading.bundle import Bundle
from device.reading.formats import FORMATS
from device.reading.manifest import AnswerRules, Preprocessing
from device.reading.runtime import Runtime


class ModelIdentity(Record, frozen=True):
    """Which model."""

    id: Annotated[str, about("The model's name for programs.")]
    version: Annotated[str, about("Its version, such as 1.0.0.")]
    title: Annotated[str, about("Its name for people.")]
    sha256: Annotated[str, about("SHA-256 of the bundle's file.")]
    signer: Annotated[str, about("Name of the key that signed the bundle.")]


class RuntimeIdentity(Record, frozen=True):
    """What runs the network."""

    name: Annotated[str, about("The package that runs the network.")]
    version: Annotated[str, about("Its version.")]
    exact: Annotated[bool, about("Its outputs equal the recorded ones bit for bit.")]


class LabelName(Record, frozen=True):
    """A class of a model."""

    label: Annotated[str, about("The class, for programs.")]
    name: Annotated[str, about("Its name for people.")]


class ModelFacts(ModelIdentity, frozen=True):
    """A model, and what its bundle's manifest says of it (`bundle.md`)."""

    labels: Annotated[list[LabelName], about("The classes that it tells apart, in its order.")]
    preprocessing: Annotated[Preprocessing, about("The scale `um_per_px` and the area `area_px` that it reads at.")]
    metrics: Annotated[dict[str, Any], about("How well it read pictures that it had not seen.")]
    answer: Annotated[AnswerRules, about("What answers promise, as the manifest has it.")]
    provenance: Annotated[dict[str, Any], about("From which data and by which program it was made.")]


class UploadLimits(Record, frozen=True):
    """What the box takes."""

    max_upload_mb: Annotated[int, about("Largest file, millions of bytes.")]
    max_megapixels: Annotated[int, about("Largest picture, millions of pixels.")]
    formats: Annotated[list[str], about("Formats of picture files.")]


class ModelsDocument(Record, frozen=True):
    """The models of a box, and its limits."""

    notice: Annotated[str, about("What the box may be used for.")]
    models: Annotated[list[ModelFacts], about("Each model, in the order of the box.")]
    limits: Annotated[UploadLimits, about("What the box takes.")]
    software: Annotated[str, about("Version of Loupe.")]


def identity(bundle: Bundle, language: str) -> ModelIdentity:
    """Which model reads: id, version, title, the bundle's hash and whose key signed it."""
    return ModelIdentity(**identity_facts(bundle, language))


def identity_facts(bundle: Bundle, language: str) -> dict[str, str]:
    """The fields of `ModelIdentity`, for records that have more."""
    manifest = bundle.manifest
    return {
        "id": manifest.id,
        "version": manifest.version,
        "title": manifest.title.text(language),
        "sha256": bundle.sha256,
        "signer": bundle.signer,
    }


def runtime_identity(runtime: Runtime) -> RuntimeIdentity:
    return RuntimeIdentity(name=runtime.name, version=runtime.version, exact=runtime.exact)


def label_names(bundle: Bundle, language: str) -> list[LabelName]:
    """The classes of a bundle in its order."""
    return [LabelName(label=label, name=name) for label, name in bundle.manifest.label_names(language).items()]


def models_document(
    bundles: Sequence[Bundle], max_upload_mb: int, max_megapixels: int, language: str
) -> ModelsDocument:
    """What `GET /api/v1/model` says."""
    return ModelsDocument(
        notice=words(language)["notice"],
        models=[
            ModelFacts(
                **identity_facts(bundle, language),
                labels=label_names(bundle, language),
                preprocessing=bundle.manifest.preprocessing,
                metrics=dict(bundle.manifest.metrics),
                answer=bundle.manifest.answer,
                provenance=to_builtins(bundle.manifest.provenance),
            )
            for bundle in bundles
        ],
        limits=UploadLimits(max_upload_mb=max_upload_mb, max_megapixels=max_megapixels, formats=list(FORMATS)),
        software=__version__,
    )
