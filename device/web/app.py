"""The app of the box's web service: the pages and a small JSON API (`docs/engineers/api.md`), put together.

`guards.py` says who may ask, `views/` answers, `problems.py` says no, `box.py` is what all requests share. The way of a
picture itself is `device/reading/reading.py`. Nothing that is sent reaches the disk: forms are read in memory
(`incoming/form.py`; Werkzeug's parser would write large files to a temporary one), file names are ignored and requests
aren't logged.
"""

from __future__ import annotations

from flask import Flask
from jinja2 import pass_context
from jinja2.runtime import Context

from device.base.log import warn
from device.base.texts import fill
from device.documents.rehearsal import open_verified
from device.reading.bundle import Bundle
from device.reading.keys import key_problems
from device.settings import Settings
from device.web.answers import set_form_of_answers
from device.web.box import EXTENSION, Box
from device.web.guards import add_guards
from device.web.incoming.head import Bounded, ShortNumber
from device.web.problems import add_problem_handlers
from device.web.views import add_views


def create_app(settings: Settings, *bundles: Bundle) -> Flask:
    """The app for verified bundles (opened and verified here where none is given). Raises a `LoupeError`."""
    app = Flask(__name__)
    set_form_of_answers(app)  # first: templates keep the JSON that the app has when they are made
    app.url_map.merge_slashes = False  # else // is answered with Werkzeug's own page
    app.url_map.converters["int"] = ShortNumber
    app.wsgi_app = Bounded(app.wsgi_app)  # type: ignore[method-assign]
    app.add_template_filter(_filled, "fill")
    box = app.extensions[EXTENSION] = Box(settings, bundles or open_verified(settings))
    box.check_versions()
    for problem in (*key_problems(settings.keys), *box.sites.problems):
        warn(problem)
    add_problem_handlers(app, settings)
    add_guards(app)
    add_views(app)
    return app


@pass_context
def _filled(context: Context, text: str, **facts: object) -> str:
    """A template's filter: a text with its facts, in the page's language."""
    return fill(text, facts, context["language"])
