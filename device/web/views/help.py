"""The help: `docs/clinic` and `docs/technicians` on the box itself. `tools/help_pages.py` makes them into templates."""

from __future__ import annotations

from flask import Blueprint, render_template

from device.base.texts import DEFAULT_LANGUAGE, words
from device.web.box import the_box
from device.web.incoming.query import language

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
def get_help() -> str:
    """For clinic staff, in each language of the box."""
    return _page("clinic", language())


@blueprint.get("/help/technicians")
def get_help_for_technicians() -> str:
    return _page("technicians", DEFAULT_LANGUAGE)


@blueprint.get("/help/commissioning")
def get_help_on_commissioning() -> str:
    return _page("commissioning", DEFAULT_LANGUAGE)


@blueprint.get("/help/settings")
def get_help_on_settings() -> str:
    return _page("settings", DEFAULT_LANGUAGE)


def _page(page: str, text_language: str) -> str:
    """A page of the help: its own text in one language, all around it in the reader's."""
    chosen = language()

    def render() -> str:
        text = f"help/{page}.{text_language}.html"
        return render_template(
            "help.html", language=chosen, words=words(chosen), page=page, text=text, text_language=text_language
        )

    return the_box().rendered(("help", page, chosen), render)
