"""What the box answers: one module a noun, each with a blueprint whose views stand beside their routes.

To add a route: write its view here, with `@operation` below the route where it is of the API. Give it a row in
`SECURITY.md` and in `docs/engineers/api.md`. If it takes a body, say how large in
`device/web/incoming/body_limits.py`; if it takes something from everyone, add it to `NEEDED` in
`device/web/technician.py`. Tests say what is missing.
"""

from __future__ import annotations

from flask import Flask

from device.web.views import (
    commissioning,
    health,
    help,
    instruments,
    models,
    openapi,
    pages,
    previews,
    probes,
    readings,
    samples,
    units,
)

VIEWS = (
    pages,
    probes,
    readings,
    previews,
    models,
    samples,
    health,
    help,
    instruments,
    commissioning,
    units,
    openapi,
)


def add_views(app: Flask) -> None:
    """Give the app all routes."""
    for views in VIEWS:
        app.register_blueprint(views.blueprint)
