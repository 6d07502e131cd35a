"""The help for clinic staff: `docs/clinic`, which `tools/help_pages.py` makes into templates, on the box itself."""

from __future__ import annotations

from flask import Blueprint, render_template

from device.base.texts import words
from device.web.box import the_box
from device.web.incoming.query import language

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
def get_help() -> str:
    chosen = language()

    def render() -> str:
        return render_template("help.html", language=chosen, words=words(chosen))

    return the_box().rendered(("help", chosen), render)
