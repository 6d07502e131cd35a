"""The start page and the model card."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from device import __version__
from device.base.texts import words
from device.documents.card import cards
from device.documents.site import site_state
from device.reading.site.standing import NOT_COMMISSIONED
from device.web.box import the_box
from device.web.incoming.query import asked_bundles, language

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def get_start_page() -> str:
    chosen = language()

    def render() -> str:
        return render_template("page.html", language=chosen, words=words(chosen), version=__version__)

    return the_box().rendered(("page", chosen), render)


@blueprint.get("/model-card")
def get_model_card() -> Response:
    """The card of `?model=`, else of all models, one below the other: a page, or with `?format=md` (or for a program
    that asks for Markdown or plain text rather than HTML) the Markdown of the bundles, in English."""
    box, chosen = the_box(), language()
    bundles = asked_bundles(box.bundles)
    wanted = request.accept_mimetypes.best_match(("text/html", "text/markdown", "text/plain"), "text/html")
    if request.args.get("format") == "md" or wanted != "text/html":
        return Response("\n\n---\n\n".join(bundle.card for bundle in bundles), mimetype="text/plain")

    kept = box.kept_standings()
    standings = {bundle.manifest.id: kept[bundle.manifest.id] or [NOT_COMMISSIONED] for bundle in bundles}

    def render() -> str:
        model_cards = cards([bundle.manifest for bundle in bundles], chosen)
        sites = {model: [site_state(each, chosen) for each in those] for model, those in standings.items()}
        return render_template("card.html", language=chosen, words=words(chosen), cards=model_cards, sites=sites)

    stand = [f"{each.state} {each.signed.sha256}" for those in standings.values() for each in those if each.signed]
    return Response(box.rendered(("card", chosen, *(bundle.sha256 for bundle in bundles), *stand), render))
