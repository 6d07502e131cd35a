"""`loupe serve`."""

from __future__ import annotations

import sys

from device import __version__
from device.commands.command import settings_command
from device.settings import Settings


@settings_command("serve", "serve the page and the API")
def serve(settings: Settings, _language: str) -> int:
    """Verify all models, then serve the page and the API until stopped (Ctrl-C).

    For this machine alone: loupe serve. For the whole local network: loupe serve --host 0.0.0.0.
    """
    from device.web import server

    sys.stderr.write(f"Loupe {__version__}: verifying {settings.bundle}\n")
    server.serve(settings)
    return 0
