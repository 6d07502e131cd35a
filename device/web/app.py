"""The box's web service: the page and a small JSON API (`docs/engineers/api.md`). The way of a picture itself is
`device/reading/reading.py`.

Nothing that is sent reaches the disk: forms are read in memory (`device/web/incoming/form.py`; Werkzeug's parser would
spool large files to a temporary one), file names are ignored and requests aren't logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Flask, Response, current_app, jsonify, render_template, request, send_from_directory
from flask.json.provider import DefaultJSONProvider
from jinja2 import pass_context
from jinja2.runtime import Context
from werkzeug.exceptions import NotFound

from device import __version__
from device.base.errors import (
    ImageEmpty,
    LoupeError,
    NoImage,
    OtherOrigin,
    ReadingStopped,
    ResetUnconfirmed,
    SectionTooLarge,
    StoreUnusable,
    UnknownHost,
    UnknownModel,
    UploadTooLarge,
    echoed,
)
from device.base.hosts import may_answer
from device.base.log import warn
from device.base.texts import DEFAULT_LANGUAGE, LANGUAGES, fill, words
from device.documents.card import cards
from device.documents.health import health, problem_json
from device.reading.bundle import Bundle
from device.reading.decoding.budget import set_budget
from device.reading.formats import FORMATS
from device.reading.formats.cost import is_cheap
from device.reading.golden import open_verified
from device.reading.image import SizeRule, known_kind
from device.reading.keys import key_problems
from device.reading.preview import fitting
from device.reading.reading import identity, target_of
from device.reading.sections import parse_um_per_px
from device.settings import BYTES_PER_MB, Settings
from device.storage.drift import DriftLog
from device.storage.served import check_served, remember
from device.web.desks.desk import Answered, Asked, Desk, Office, desks_here
from device.web.desks.pool import COSTLY_DESKS, Cost, DeskPool
from device.web.desks.readiness import Readiness
from device.web.desks.reading_process import ReadingProcess
from device.web.door.listener import is_loopback
from device.web.incoming.body_limits import limit_of, too_large
from device.web.incoming.client import CLIENT, address, is_gone, mark_served
from device.web.incoming.form import picture_in
from device.web.incoming.head import Bounded, ShortNumber, refuse_long_addresses, sent_json
from device.web.problems import add_problem_handlers
from device.web.samples import Samples, open_samples
from device.web.technician import HEADER, NEEDED, Technician, read_code
from device.web.units import Units, add_unit_routes

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
EXTENSION = "loupe"


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else DefaultJSONProvider.default(value)


class MappingJson(DefaultJSONProvider):
    """Flask's JSON in the order of what it is given, which may hold mappings that can't be changed
    (`device/base/texts`)."""

    sort_keys = False
    default = staticmethod(_plain)


@pass_context
def _filled(context: Context, text: str, **facts: Any) -> str:
    """A template's filter: a text with its facts, in the page's language."""
    return fill(text, facts, context["language"])


class Box:
    """What the requests of one app share: settings, the verified bundles, and this process's readers once started."""

    def __init__(self, settings: Settings, bundles: Sequence[Bundle]) -> None:
        self.settings, self.bundles = settings, tuple(bundles)
        self.drift = DriftLog(settings.store, self.bundles)
        self.units = Units(settings, self.bundles)
        self.readiness = Readiness(self.bundles)
        code = read_code(settings.technician_code_file) if settings.technician_code_file else None
        self.technician = Technician(code, alone=is_loopback(settings.host))
        self.pool: DeskPool[Desk] | None = None
        self._rendered: dict[tuple[str, ...], str] = {}
        self._version_problems: list[LoupeError] = []  # what is odd about the versions that are served

    def check_versions(self) -> None:
        """Hold the bundles against what the box remembers of those that it served. Raises `BundleOlder`."""
        self._version_problems = check_served(self.settings.store, self.bundles, self.settings.allow_older)
        for problem in self._version_problems:
            warn(problem)

    def start(self, *, apart: bool = False) -> DeskPool[Desk]:
        """Make the desks, `apart` in a process of their own: to be called in the process that serves, after any fork and
        then before it has threads."""
        if self.pool is None:
            set_budget(self.settings.decode_memory_mb * BYTES_PER_MB)
            office = Office(self.bundles, self.settings.limits, self.settings.threads)
            many, desks = self.settings.threads + COSTLY_DESKS, list[Desk]()
            desks += ReadingProcess(office, many).desks if apart else desks_here(office, many)
            self.pool = DeskPool(desks, self.settings.queue)
            _ = self.samples  # so that no reading waits for them
            try:
                remember(self.settings.store, self.bundles)
            except StoreUnusable as error:
                self._version_problems = [*self._version_problems, error]
                warn(error)
        return self.pool

    def rendered(self, page: tuple[str, ...], render: Callable[[], str]) -> str:
        """A page that is the same for all who ask, made once; `page` says all that it depends on, and is one of few."""
        if page not in self._rendered:
            self._rendered[page] = render()
        return self._rendered[page]

    @property
    def samples(self) -> Samples:
        return open_samples(self.settings.samples, self.settings.limits)

    def failure(self) -> LoupeError | None:
        """The error that readings would meet now."""
        try:
            self.readiness.check(self.start())
        except LoupeError as error:
            return error
        return None

    def problems(self) -> list[LoupeError]:
        """What is wrong with the store and with files beside the models; pictures are read all the same."""
        self.drift.watch(self.bundles[0], datetime.now())  # so that a store that can't be opened is found
        store = [*self.drift.problems, *self.units.problems(), *self._version_problems]
        return [*store, *key_problems(self.settings.keys), *self.samples.problems]


def create_app(settings: Settings, *bundles: Bundle) -> Flask:
    """The app for verified bundles (opened and verified here where none is given). Raises a `LoupeError`."""
    app = Flask(__name__)
    app.url_map.merge_slashes = False  # else // is answered with Werkzeug's own page
    app.json = MappingJson(app)
    app.add_template_filter(_filled, "fill")
    app.wsgi_app = Bounded(app.wsgi_app)  # type: ignore[method-assign]
    app.url_map.converters["int"] = ShortNumber
    box = app.extensions[EXTENSION] = Box(settings, bundles or open_verified(settings))
    box.check_versions()
    for problem in key_problems(settings.keys):
        warn(problem)
    add_problem_handlers(app, language, settings)
    app.before_request(refuse_long_addresses)
    app.before_request(_refuse_unknown_hosts)
    app.before_request(_refuse_other_origins)
    app.before_request(_refuse_large_bodies)
    app.before_request(_refuse_others_than_the_technician)
    app.after_request(_with_headers)
    for rule, view, methods in (
        ("/", page, ["GET"]),
        ("/model-card", model_card, ["GET"]),
        ("/health", health_page, ["GET"]),
        ("/samples/<path:file>", sample_picture, ["GET"]),
        ("/healthz", healthz, ["GET"]),
        ("/readyz", readyz, ["GET"]),
        ("/api/v1/readings", post_reading, ["POST"]),
        ("/api/v1/previews", post_preview, ["POST"]),
        ("/api/v1/model", get_model, ["GET"]),
        ("/api/v1/samples", get_samples, ["GET"]),
        ("/api/v1/health", get_health, ["GET"]),
        ("/api/v1/health/reset", post_health_reset, ["POST"]),
    ):
        app.add_url_rule(rule, view_func=view, methods=methods)
    add_unit_routes(app, app.extensions[EXTENSION].units, language, _asked_bundles)
    return app


def _box() -> Box:
    box: Box = current_app.extensions[EXTENSION]
    return box


def _asked_bundles() -> Sequence[Bundle]:
    """The bundle that `?model=` names, else all. Raises `UnknownModel`."""
    bundles, asked = _box().bundles, request.args.get("model")
    found = [bundle for bundle in bundles if asked in (None, bundle.manifest["id"])]
    if not found:
        raise UnknownModel(model=echoed(asked), models=", ".join(bundle.manifest["id"] for bundle in bundles))
    return found


def language() -> str:
    """The language of this request: `?lang=`, else the browser's choice, else English."""
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        return asked
    return request.accept_languages.best_match(LANGUAGES) or DEFAULT_LANGUAGE


# --- who may ask --------------------------------------------------------------------------------------------------------


def _refuse_unknown_hosts() -> None:
    """Raises `UnknownHost`."""
    settings = _box().settings
    if not may_answer(request.host, {settings.host, *settings.names}):
        # Werkzeug's `host` is empty where the header can't be a host's name.
        raise UnknownHost(host=echoed(request.headers.get("Host", "")))


def _refuse_other_origins() -> None:
    """A browser sends what another site's page asks it to, and says in `Origin` whose page it was. Raises `OtherOrigin`."""
    origin = request.headers.get("Origin")
    if request.method in ("GET", "HEAD", "OPTIONS") or origin is None:
        return
    _, scheme_end, host = origin.lower().rpartition("://")
    if not scheme_end or host != request.host.lower():
        raise OtherOrigin(origin=echoed(origin))


def _refuse_large_bodies() -> None:
    """Raises `UploadTooLarge`, `BodyTooLarge`; a body whose length isn't told is cut off where it is read. The door does so
    itself before anything is read; Werkzeug, to do it again, would copy what was sent."""
    settings = _box().settings
    limit = limit_of(request.method, request.path, settings)
    if CLIENT not in request.environ:
        request.max_content_length = limit
    if request.routing_exception is None and (request.content_length or 0) > limit:
        raise too_large(request.method, request.path, settings)


def _refuse_others_than_the_technician() -> None:
    """What needs the technician's code. Raises `TechnicianCodeNeeded` and its like."""
    if request.url_rule and (request.method, request.url_rule.rule) in NEEDED:
        _box().technician.check(request.headers.get(HEADER), address(request.environ))


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


# --- pages -----------------------------------------------------------------------------------------------------------


def page() -> str:
    chosen = language()

    def render() -> str:
        return render_template("page.html", language=chosen, words=words(chosen), version=__version__)

    return _box().rendered(("page", chosen), render)


def model_card() -> Response:
    """The card of `?model=`, else of all models, one below the other: a page, or with `?format=md` (or for a program that
    asks for Markdown or plain text rather than HTML) the Markdown of the bundles, in English."""
    bundles, chosen = _asked_bundles(), language()
    wanted = request.accept_mimetypes.best_match(("text/html", "text/markdown", "text/plain"), "text/html")
    if request.args.get("format") == "md" or wanted != "text/html":
        return Response("\n\n---\n\n".join(bundle.card for bundle in bundles), mimetype="text/plain")

    def render() -> str:
        model_cards = cards([bundle.manifest for bundle in bundles], chosen)
        return render_template("card.html", language=chosen, words=words(chosen), cards=model_cards)

    return Response(_box().rendered(("card", chosen, *(bundle.sha256 for bundle in bundles)), render))


def sample_picture(file: str) -> Response:
    box = _box()
    if not box.samples.has_file(file):
        raise NotFound
    return send_from_directory(box.settings.samples.resolve(), file)


def health_page() -> str:
    chosen = language()
    t = words(chosen)["health"]
    return render_template(
        "health.html", language=chosen, words=words(chosen), t=t, health=_health(), now=datetime.now()
    )


# --- API -------------------------------------------------------------------------------------------------------------


def healthz() -> Response:
    return jsonify(status="ok")


def readyz() -> Response:
    """Whether readings work. Raises the error that they would meet."""
    box, chosen = _box(), language()
    box.readiness.check(box.start())
    return jsonify(
        ready=True,
        models=[identity(bundle, chosen) for bundle in box.bundles],
        problems=[problem_json(problem, chosen) for problem in box.problems()],
    )


def _sent_picture() -> bytes:
    """The file that was sent. Raises `NoImage`, `ImageEmpty` or `UploadTooLarge`; `ReadingStopped` where nobody waits."""
    if is_gone(request.environ):
        raise ReadingStopped
    data = request.get_data(cache=False, parse_form_data=False)
    if request.mimetype == "multipart/form-data":
        picture = picture_in(data, request.content_type or "")
        if picture is None:
            raise NoImage()
        data = picture
    elif not data and not request.mimetype:
        raise NoImage()
    if not data:
        raise ImageEmpty()
    settings = _box().settings
    if len(data) > settings.max_upload_bytes:
        raise UploadTooLarge(limit_mb=settings.max_upload_mb)
    return data


def post_preview() -> Response:
    """Waits for a desk as a reading does, so that previews can't crowd readings out."""
    data = _sent_picture()
    with _turn(_cost(data, fitting)) as (desk, gone):
        return Response(desk.preview(data, gone), mimetype="image/jpeg")


def post_reading() -> Response:
    data = _sent_picture()
    given = request.args.get("um_per_px")
    um_per_px = parse_um_per_px(given) if given else None
    box = _box()
    box.readiness.check_files()
    asked = Asked(data, request.args.get("model"), um_per_px, language(), sections=False)
    limits = box.settings.limits
    cost = _cost(data, *(target_of(bundle, limits, um_per_px, sections=False) for bundle in box.bundles))
    try:
        answered = _read(asked, cost)
    except SectionTooLarge:  # to be a field, and so to be read before sections that wait
        answered = _read(replace(asked, sections=True), Cost.SECTION)
    if not box.samples.holds(data):
        box.drift.note(answered.noted, datetime.now())
    return jsonify(box.units.name_units(answered.document, language()))


def _read(asked: Asked, cost: Cost) -> Answered:
    with _turn(cost) as (desk, gone), _box().readiness.doubted_by_failures():
        return desk.read(asked, gone)


def _cost(data: bytes, *targets: int | SizeRule) -> Cost:
    """Of a file that is decoded at these sizes. Raises the `ImageError` of one that isn't read at all, which need not wait
    for that."""
    known_kind(data)
    return Cost.QUICK if all(is_cheap(data, target) for target in targets) else Cost.COSTLY


@contextmanager
def _turn(cost: Cost) -> Iterator[tuple[Desk, Callable[[], bool]]]:
    """A desk for the picture of this request; and whether its client is gone, for whom nothing need be read."""
    environ = request.environ

    def gone() -> bool:
        return is_gone(environ)

    with _box().start().desk(cost, address=address(environ), gone=gone) as desk:
        mark_served(environ)
        yield desk, gone


def get_model() -> Response:
    box, chosen = _box(), language()
    return jsonify(
        notice=words(chosen)["notice"],
        models=[
            {
                **identity(bundle, chosen),
                "labels": [
                    {"label": label["id"], "name": label["name"][chosen]} for label in bundle.manifest["labels"]
                ],
                "preprocessing": bundle.manifest["preprocessing"],
                "metrics": bundle.manifest["metrics"],
                "answer": bundle.manifest["answer"],
                "provenance": bundle.manifest["provenance"],
            }
            for bundle in _asked_bundles()
        ],
        limits={
            "max_upload_mb": box.settings.max_upload_mb,
            "max_megapixels": box.settings.max_megapixels,
            "formats": list(FORMATS),
        },
        software=__version__,
    )


def get_samples() -> Response:
    chosen = language()
    return jsonify(samples=[sample.as_json(chosen) for sample in _box().samples.offered])


def _health() -> dict[str, Any]:
    box = _box()
    failure = box.failure()
    problems = [*([failure] if failure else []), *box.problems()]
    return health(box.bundles, box.drift, box.settings.threads, problems, datetime.now(), language())


def get_health() -> Response:
    return jsonify(_health())


def post_health_reset() -> Response:
    """JSON alone: a browser lets no other site's page send that here."""
    asked = sent_json()
    if not isinstance(asked, dict) or asked.get("confirm") is not True:
        raise ResetUnconfirmed()
    box = _box()
    bundle = next((bundle for bundle in box.bundles if bundle.manifest["id"] == asked.get("model")), None)
    if bundle is None:
        raise ResetUnconfirmed()
    box.drift.reset(bundle, datetime.now())
    if box.drift.problem:
        raise box.drift.problem
    return jsonify(_health())
