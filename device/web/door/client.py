"""What the app may know of the client that sent a request: `environ["loupe.client"]`.

The app reads it through `device/web/incoming/client.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Client:
    """The door's thread writes it and the app's thread reads it; for `served` it is the other way round."""

    address: str  # as `machine_address` gives it
    gone: bool = False  # has closed its connection, or was sent away
    served: bool = False  # its picture is being read, so the door won't take it back to make room
