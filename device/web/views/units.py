"""The unit survey: its page, the units of a model with their patches, and the routes by which experts name them."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, render_template, request
from msgspec import Struct
from werkzeug.exceptions import NotFound

from device import __version__
from device.base.errors import (
    AtlasInvalid,
    AtlasOfOtherModel,
    ExpertInvalid,
    NamesFull,
    NamesInvalid,
    NamesOfOtherModel,
    StoreUnusable,
    TermUnknown,
    UnitNameInvalid,
    UnitNameMissing,
    UnitNamesFull,
    UnitUnknown,
)
from device.base.texts import words
from device.documents.units import ModelUnits, NamesDocument, UnitDocument, UnitsDocument
from device.storage.names import clean_expert, given_name, imported_names
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.bodies import NamesBody, UnitNameBody
from device.web.incoming.json_body import sent_json
from device.web.incoming.query import ExpertQuery, ModelQuery, asked_bundles, language
from device.web.openapi.operations import JPEG, operation

A_DAY = "private, max-age=86400"
NAME_REFUSED = (ExpertInvalid, NamesFull, TermUnknown, UnitNameInvalid, UnitNamesFull)

blueprint = Blueprint("units", __name__)


class Imported(Struct, frozen=True):
    """How many names were taken over."""

    imported: int


class Removed(Struct, frozen=True):
    """How many names were removed."""

    removed: int


def _asked_units() -> ModelUnits:
    """The units of the model that `?model=` names, else of the first. Raises `UnknownModel`."""
    box = the_box()
    return box.units.of(asked_bundles(box.bundles)[0])


@blueprint.get("/units")
def get_units_page() -> str:
    chosen = language()
    return render_template("units.html", language=chosen, words=words(chosen), version=__version__)


@blueprint.get("/api/v1/units")
@operation("The unit survey", query=ModelQuery, answer=UnitsDocument)
def get_units() -> Response:
    """The survey goes on without names where the store can't be read."""
    model, chosen = _asked_units(), language()

    def survey() -> bytes:
        return msgspec.json.encode(model.survey(chosen))

    try:
        return Response(model.listed.of(chosen, model.names.state(), survey), mimetype="application/json")
    except StoreUnusable as error:
        return answer(model.survey(chosen, error))


@blueprint.get("/api/v1/units/<int:unit>")
@operation("One unit", query=ModelQuery, answer=UnitDocument, errors=(UnitUnknown, StoreUnusable))
def get_unit(unit: int) -> Response:
    model = _asked_units()
    return answer(model.unit_document(model.checked(unit), model.agreed([unit]), language(), most=None))


@blueprint.get("/api/v1/units/<int:unit>/patches/<int:rank>")
@operation(
    "A patch that excites a unit", query=ModelQuery, answer=JPEG, errors=(UnitUnknown, AtlasInvalid, AtlasOfOtherModel)
)
def get_unit_patch(unit: int, rank: int) -> Response:
    model = _asked_units()
    if problem := model.problem:
        raise problem
    files = model.patch_files(model.checked(unit))
    if not model.atlas or rank >= len(files):
        raise NotFound
    response = Response(model.atlas.patches[files[rank]], mimetype="image/jpeg")
    response.headers["Cache-Control"] = A_DAY
    return response


@blueprint.put("/api/v1/units/<int:unit>/name")
@operation(
    "Give a unit a name, or change it",
    query=ModelQuery,
    body=UnitNameBody,
    answer=UnitDocument,
    errors=(UnitUnknown, *NAME_REFUSED, StoreUnusable),
)
def put_unit_name(unit: int) -> Response:
    model = _asked_units()
    given = given_name(model.checked(unit), sent_json(), model.lexicon)
    model.names.give(model.network, [given])
    return get_unit(unit)


@blueprint.delete("/api/v1/units/<int:unit>/name")
@operation(
    "Take a name back",
    query=ExpertQuery,
    answer=UnitDocument,
    errors=(UnitUnknown, UnitNameMissing, ExpertInvalid, StoreUnusable),
)
def delete_unit_name(unit: int) -> Response:
    model = _asked_units()
    if not model.names.take_back(model.network, model.checked(unit), clean_expert(request.args.get("expert"))):
        raise UnitNameMissing(unit=unit)
    return get_unit(unit)


@blueprint.get("/api/v1/units/names")
@operation(
    "All names, to be kept or sent to another box", query=ModelQuery, answer=NamesDocument, errors=(StoreUnusable,)
)
def get_unit_names() -> Response:
    model = _asked_units()

    def export() -> bytes:
        return msgspec.json.encode(model.names_document())

    return Response(model.listed.of("export", model.names.state(), export), mimetype="application/json")


@blueprint.put("/api/v1/units/names")
@operation(
    "Take over the names of another box",
    query=ModelQuery,
    body=NamesBody,
    answer=Imported,
    errors=(NamesInvalid, NamesOfOtherModel, *NAME_REFUSED, StoreUnusable),
)
def put_unit_names() -> Response:
    model = _asked_units()
    given = imported_names(sent_json(), model.network, model.model, model.lexicon, model.count)
    model.names.give(model.network, given, keep_newer=True)
    return answer(Imported(len(given)))


@blueprint.delete("/api/v1/units/names")
@operation("Remove all names of a model's units", query=ModelQuery, answer=Removed, errors=(StoreUnusable,))
def delete_unit_names() -> Response:
    model = _asked_units()
    return answer(Removed(model.names.remove(model.network)))
