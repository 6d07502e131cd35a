"""`loupe verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device.commands.command import complain, print_at_once, settings_command
from device.settings import Settings

if TYPE_CHECKING:
    from device.reading.bundle import Bundle


@settings_command("verify", "check the models on this machine")
def verify(settings: Settings, language: str) -> int:
    """Check each model: its signature, hashes and schema, that this machine reproduces each golden picture's outputs, and
    that the store remembers no newer version.

    All models of a folder: loupe verify --bundle models
    """
    from device.documents.site import site_state
    from device.storage.served import check_served
    from device.storage.sites import Sites

    bundles = open_verified_bundles(settings, language)
    for problem in check_served(settings.store, bundles, settings.allow_older):
        complain(problem, language)
    for bundle in bundles:
        print_at_once(
            f"{bundle.name}: signature by {bundle.signer}, {len(bundle.manifest.members)} members and "
            f"{len(bundle.manifest.golden)} golden pictures are as recorded (sha256 {bundle.sha256})"
        )
    sites = Sites(settings.store, settings.site, bundles)
    for kept in sites.all():
        state = site_state(kept.standing, language)
        print_at_once(f"{kept.path.name}: {kept.profile.bundle.model}, {kept.profile.created}: {state.title}")
    for problem in sites.problems:
        complain(problem, language)
    return 0


def open_verified_bundles(settings: Settings, language: str) -> tuple[Bundle, ...]:
    """The bundles of the settings; problems with keys go to standard error. Raises a `LoupeError`."""
    from device.documents.rehearsal import open_verified
    from device.reading.keys import key_problems

    bundles = open_verified(settings)
    for problem in key_problems(settings.keys):
        complain(problem, language)
    return bundles
