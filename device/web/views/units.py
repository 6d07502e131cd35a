"""The unit survey: its page, the units of a model with their patches, and the routes by which experts name them."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, jsonify, render_template, request
from werkzeug.exceptions import NotFound

from device import __version__
from device.base.errors import StoreUnusable, UnitNameMissing
from device.base.texts import words
from device.documents.units import ModelUnits
from device.storage.names import clean_expert, given_name, imported_names
from device.web.answers import answer
from device.web.box import the_box
from device.web.incoming.json_body import sent_json
from device.web.incoming.query import asked_bundles, language

A_DAY = "private, max-age=86400"

blueprint = Blueprint("units", __name__)


def _asked_units() -> ModelUnits:
    """The units of the model that `?model=` names, else of the first. Raises `UnknownModel`."""
    box = the_box()
    return box.units.of(asked_bundles(box.bundles)[0])


@blueprint.get("/units")
def get_units_page() -> str:
    chosen = language()
    return render_template("units.html", language=chosen, words=words(chosen), version=__version__)


@blueprint.get("/api/v1/units")
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
def get_unit(unit: int) -> Response:
    model = _asked_units()
    return answer(model.unit_document(model.checked(unit), model.agreed([unit]), language(), most=None))


@blueprint.get("/api/v1/units/<int:unit>/patches/<int:rank>")
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
def put_unit_name(unit: int) -> Response:
    model = _asked_units()
    given = given_name(model.checked(unit), sent_json(), model.lexicon)
    model.names.give(model.network, [given])
    return get_unit(unit)


@blueprint.delete("/api/v1/units/<int:unit>/name")
def delete_unit_name(unit: int) -> Response:
    model = _asked_units()
    if not model.names.take_back(model.network, model.checked(unit), clean_expert(request.args.get("expert"))):
        raise UnitNameMissing(unit=unit)
    return get_unit(unit)


@blueprint.get("/api/v1/units/names")
def get_unit_names() -> Response:
    model = _asked_units()

    def export() -> bytes:
        return msgspec.json.encode(model.names_document())

    return Response(model.listed.of("export", model.names.state(), export), mimetype="application/json")


@blueprint.put("/api/v1/units/names")
def put_unit_names() -> Response:
    model = _asked_units()
    given = imported_names(sent_json(), model.network, model.model, model.lexicon, model.count)
    model.names.give(model.network, given, keep_newer=True)
    return jsonify(imported=len(given))


@blueprint.delete("/api/v1/units/names")
def delete_unit_names() -> Response:
    model = _asked_units()
    return jsonify(removed=model.names.remove(model.network))
