"""Dumps of the service's memory: there are none, for it holds pictures, and a dump is a file on the card.

The core limit alone doesn't do: where a program takes dumps (systemd-coredump), the kernel asks it whatever the limit is.
A process that is not dumpable is left out there too, and others of the same user can't read its memory.
"""

from __future__ import annotations

import resource
import sys

from device.base.process import set_dumpable


def forbid_dumps() -> None:
    """No dump of this process and of those that it forks; a program that it starts is dumpable again."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        set_dumpable(False)
