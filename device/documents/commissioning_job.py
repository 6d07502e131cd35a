"""A commissioning under way, as the page `/commissioning` shows it: which pictures have come, and what they came to."""

from __future__ import annotations

from typing import Annotated

from device.documents.commissioning import CommissioningReport
from device.documents.model import LabelName
from device.documents.records import Record, about
from device.documents.site import SiteState


class JobPicture(Record, frozen=True):
    """One picture of a commissioning: what it is, and whether it can be used. The picture itself is gone."""

    number: Annotated[int, about("Its number, from 1, in the order in which they came.")]
    patient: Annotated[str | None, about("The label of its patient that was typed; null for other material.")]
    label: Annotated[str | None, about("The diagnosis that was given; null where none was.")]
    kind: Annotated[str | None, about("Which material, for glass and other material; null for a patient's.")]
    usable: Annotated[bool, about("Light, focus, tissue and size let it be judged; it is left out otherwise.")]
    accepted: Annotated[bool, about("The gate accepts it as it is before this commissioning.")]
    reason: Annotated[str | None, about("Why not, in a few words.")]


class WantedCounts(Record, frozen=True):
    """How many pictures a commissioning needs for its promise."""

    pictures: Annotated[int, about("Ordinary pictures.")]
    patients: Annotated[int, about("Patients of whom they are.")]
    glass: Annotated[int, about("Pictures of empty glass.")]
    foreign: Annotated[int, about("Pictures of other material.")]
    labelled: Annotated[int, about("Ordinary pictures with a diagnosis, to measure how well the box reads here.")]


class CommissioningLimits(Record, frozen=True):
    """What a commissioning takes."""

    pictures: Annotated[int, about("Most ordinary pictures.")]
    foreign: Annotated[int, about("Most pictures of glass and other material.")]
    patient_characters: Annotated[int, about("Characters of a patient's label.")]
    idle_s: Annotated[int, about("After a pause of so long it is forgotten, s.")]
    kinds: Annotated[list[str], about("Kinds of other material.")]


class ModelToCommission(Record, frozen=True):
    """A model that can be commissioned."""

    id: Annotated[str, about("The model's name for programs.")]
    title: Annotated[str, about("Its name for people.")]
    needs_instrument: Annotated[bool, about("It needs to know the size of a pixel, so an instrument must be chosen.")]
    states: Annotated[list[SiteState], about("How it stands at this clinic, with each instrument.")]


class JobUnderWay(Record, frozen=True):
    """That a commissioning is under way, for those who didn't begin it."""

    since: Annotated[str, about("When it began, such as 2026-01-05 09:30.")]
    pictures: Annotated[int, about("How many pictures have come.")]


class ProfileEntry(Record, frozen=True):
    """A site profile on the box."""

    id: Annotated[str, about("Its name, such as `bach-3`.")]
    title: Annotated[str, about("The name of its model, for people.")]
    used: Annotated[bool, about("It is used; else it was revoked, or a later one is.")]
    state: Annotated[SiteState, about("What it says of the model at this clinic.")]


class CommissioningDocument(Record, frozen=True):
    """How the box stands at this clinic, and what a commissioning takes."""

    notice: Annotated[str, about("What the box may be used for.")]
    wanted: Annotated[WantedCounts, about("How many pictures are needed.")]
    limits: Annotated[CommissioningLimits, about("What a commissioning takes.")]
    models: Annotated[list[ModelToCommission], about("Each model, in the order of the box.")]
    under_way: Annotated[JobUnderWay | None, about("The commissioning that is under way; null where there is none.")]
    profiles: Annotated[list[ProfileEntry], about("The site profiles on the box, the newest first.")]


class JobDocument(Record, frozen=True):
    """A commissioning under way, for the page that began it."""

    job: Annotated[str, about("The name by which the page asks for it. A restart of the box forgets it.")]
    model: Annotated[str, about("The model that is commissioned.")]
    title: Annotated[str, about("Its name for people.")]
    labels: Annotated[list[LabelName], about("The diagnoses that may be given: the model's classes.")]
    groups: Annotated[
        list[str], about("Diagnoses that leave the class open: `malignant` (any of concern), `not_malignant`.")
    ]
    instrument: Annotated[str | None, about("The instrument's name; null where the model needs none.")]
    since: Annotated[str, about("When it began, such as 2026-01-05 09:30.")]
    needs_colours: Annotated[bool, about("A report gains where pictures are read again in the clinic's colours.")]
    colours_found: Annotated[bool, about("The clinic's colours are known: each picture is to be sent again.")]
    coloured: Annotated[bool, about("Each picture was read in the clinic's colours.")]
    pictures: Annotated[list[JobPicture], about("The pictures, in the order in which they came.")]
    report: Annotated[CommissioningReport | None, about("What they came to; null until it is asked for.")]
