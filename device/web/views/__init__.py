"""What the box answers: one module a noun, each with a blueprint whose views stand beside their routes."""

from __future__ import annotations

from flask import Flask

from device.web.views import health, help, models, openapi, pages, previews, probes, readings, samples, units


def add_views(app: Flask) -> None:
    """Give the app all routes."""
    for views in (pages, probes, readings, previews, models, samples, health, help, units, openapi):
        app.register_blueprint(views.blueprint)
