"""Serving with gunicorn: one worker process, with the door in front of the app (`device/web/door`).

The app is made (and the bundles verified) in the parent, so a box with a damaged model never listens; the readers are
made in the worker, after the fork. Under systemd gunicorn itself tells READY=1 when it listens.
"""

from __future__ import annotations

import socket
from errno import EADDRINUSE
from pathlib import Path

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from device.base.dumps import forbid_dumps
from device.base.errors import LoupeError
from device.base.log import ServiceLog, warn
from device.settings import BYTES_PER_MB, Settings
from device.web.app import create_app
from device.web.box import EXTENSION, Box
from device.web.desks.pool import COSTLY_DESKS, Cost, places
from device.web.door.listener import bind, is_handed_over, unusable
from device.web.door.rules import Rules
from device.web.door.worker import DoorWorker
from device.web.incoming.body_limits import FORM_OVERHEAD_BYTES, PICTURES, limit_of, too_large

HEARTBEAT_TIMEOUT_S = 60
GRACE_S = 10
MEMORY_DIRECTORY = Path("/dev/shm")  # noqa: S108 — the worker's heartbeat file, kept off the SD card

VITAL_THREADS, PAGE_THREADS, WRITE_THREADS = 2, 2, 2
VITAL_PATHS, STATIC = ("/", "/healthz", "/readyz"), "/static/"
SMALL_UPLOADS_BYTES = 16_000_000
# Beyond those that read: pictures wait for a reader in threads of their own, in three lines
# (`device/web/desks/pool.py`).
SPARE_PICTURE_THREADS, MOST_PICTURE_THREADS = 6, 128


def lane_of(method: str, path: str) -> str:
    """The lane whose threads answer a request: `pictures`, which wait for readers; `writes` to the store; `vital`, the
    start page and the probes, which nothing may keep waiting; or other `pages`."""
    if (method, path) in PICTURES:
        return "pictures"
    if method in ("POST", "PUT", "DELETE"):
        return "writes"
    return "vital" if path in VITAL_PATHS or path.startswith(STATIC) else "pages"


def rules_of(settings: Settings) -> Rules:
    """The door's rules for the app's routes and for this box."""
    waiting = sum(places(cost, settings.queue) for cost in Cost)
    pictures = settings.threads + COSTLY_DESKS + waiting + SPARE_PICTURE_THREADS
    largest = settings.max_upload_bytes + FORM_OVERHEAD_BYTES
    large = max(settings.upload_memory_mb * BYTES_PER_MB - SMALL_UPLOADS_BYTES, largest)
    return Rules(
        lanes={
            "vital": VITAL_THREADS,
            "pages": PAGE_THREADS,
            "writes": WRITE_THREADS,
            "pictures": min(pictures, MOST_PICTURE_THREADS),
        },
        lane_of=lane_of,
        body_limit=lambda method, path: limit_of(method, path, settings),
        too_large=lambda method, path: too_large(method, path, settings),
        held_bytes=large + SMALL_UPLOADS_BYTES,
        large_bytes=large,
    )


class ServerLog(Logger):
    """gunicorn's logger, whose lines go the way of all others (`device/base/log.py`)."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):
    """gunicorn around one app."""

    def __init__(
        self, settings: Settings, listener: socket.socket | None = None, log: ServiceLog | None = None
    ) -> None:
        """`listener`: bound by `device/web/door/listener.py`; None where systemd hands one over. `log`: if it has
        one."""
        self._listener, self._log = listener, log
        self.rules = rules_of(settings)
        self._app = create_app(settings)
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, object] = {
            "workers": 1,
            "worker_class": DoorWorker,
            "preload_app": True,
            "timeout": HEARTBEAT_TIMEOUT_S,
            "graceful_timeout": GRACE_S,
            "post_fork": self._start_worker,
            "logger_class": ServerLog,
            "proc_name": "loupe",
            "worker_tmp_dir": str(MEMORY_DIRECTORY) if MEMORY_DIRECTORY.is_dir() else None,
            "control_socket_disable": True,
        }
        if self._listener:
            options["bind"] = f"fd://{self._listener.detach()}"  # gunicorn makes it its own
        for name, value in options.items():
            self.cfg.set(name, value)

    def _start_worker(self, _arbiter: object, _worker: object) -> None:
        if self._log:
            self._log.close_other_ways()
        try:
            self._start_readers()
        except LoupeError as error:
            warn(error)
            raise

    def _start_readers(self) -> None:
        """Raises `BundleChanged`, which ends the service: a worker that takes another's place maps the file anew, and
        what it then finds there must be what was verified."""
        box: Box = self._app.extensions[EXTENSION]
        for bundle in box.bundles:
            bundle.check_unchanged()
        box.start(apart=True)

    def load(self) -> Flask:
        return self._app


def serve(settings: Settings) -> None:
    """Bind, verify, listen, serve until told to stop. Raises a `LoupeError` before listening."""
    forbid_dumps()
    listener = None if is_handed_over() else bind(settings.host, settings.port)
    try:
        Server(settings, listener, ServiceLog()).run()
    except OSError as error:
        if error.errno != EADDRINUSE:
            raise
        # Two that start at once can both bind; the later one can't listen.
        raise unusable(settings.host, settings.port, error) from error
