"""A decoding child: it waits for a job, confines itself, decodes one file, hands over its pixels and ends.

It exchanges messages with the process that asked (`sandbox.py`): the size that a rule wants, a request for memory
before it takes any, a place for the pixels, and the picture's facts or the error that names what is wrong.
"""

from __future__ import annotations

import mmap
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from device.base.errors import DecodingTooLarge, DecodingUnavailable, LoupeError
from device.base.process import address_bytes, end_with_parent
from device.reading.decoding import confine
from device.reading.decoding.memory import memory_from
from device.reading.decoding.messages import Ended, Message, receive, send
from device.reading.image import Limits, SizeRule, decode_in_process

CPU_S = 20
# What the decoders' libraries use beside what is counted: code's data, stacks, buffers; and of addresses alone, which cost
# nothing, what the C library sets aside.
BASE_BYTES = 10_000_000
SPARE_ADDRESSES = 96_000_000

OPEN_BY_NAME = ("slide",)  # modules of `device/reading/formats` whose library opens files by name
LOADED_LATE = ("PIL.ImageColor", "PIL.ImageCms", "PIL.TiffImagePlugin")  # by Pillow itself, for some pictures


def prepare(module: str) -> None:
    """Load what a module of `device/reading/formats` needs: nothing can be loaded once the filter is closed."""
    for each in LOADED_LATE:
        import_module(each)
    loaded = import_module(f"device.reading.formats.{module}")
    if hasattr(loaded, "prepare"):
        loaded.prepare()


def run(connection: socket.socket, server: int) -> NoReturn:
    """The whole life of a child. The number is the process id of its server."""
    try:
        end_with_parent(server)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # what libraries print may tell of the file
            os.dup2(nowhere, descriptor)
        warnings.simplefilter("ignore")
        send(connection, {"process": os.getpid(), "addresses": address_bytes()})
        job = receive(connection)
        try:
            prepare(job["module"])
            by_name = job["module"] in OPEN_BY_NAME
            confine.limit(CPU_S, job["addresses"], job["most_addresses"], job["bytes"] if by_name else 0)
            confine.close(opens_files=by_name)
        except (LoupeError, ImportError, OSError) as failure:
            unavailable = failure if isinstance(failure, LoupeError) else DecodingUnavailable(detail=str(failure))
            send(connection, _error_message(unavailable))
        else:
            send(connection, _decoded(connection, job))
            receive(connection)  # nothing comes: the other side ends this process once it has all
    except Ended:
        pass  # nobody is there to hear of it
    finally:
        os._exit(0)


def _decoded(connection: socket.socket, job: Message) -> Message:
    """The answer to a job."""
    try:
        data = _read(connection, job["bytes"])
        memory = AskedMemory(connection, job["most"], job["most_result"])
        target = _rule(connection) if job["target"] == "rule" else job["target"]
        with memory_from(memory):
            image = decode_in_process(data, Limits(**job["limits"]), target)
            if memory.pixels is None or image.pixels is not memory.pixels:
                memory.new_pixels(*image.pixels.shape[:2])[...] = image.pixels
    except LoupeError as error:
        return _error_message(_not_loaded(error) or error)
    except MemoryError:
        return _error_message(DecodingTooLarge())
    scale = image.stated_um_per_px
    return {
        "decoded": {
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "notes": list(image.notes),
            "stated_um_per_px": None if scale is None else asdict(scale),
            "preview": image.preview,
        }
    }


def _not_loaded(error: BaseException | None) -> LoupeError | None:
    """The library that `prepare` forgot to load, where that caused an error: then the picture isn't damaged."""
    while error is not None:
        if isinstance(error, ImportError):
            return DecodingUnavailable(detail=f"not loaded: {error.name}")
        if isinstance(error, PermissionError) and error.filename:
            return DecodingUnavailable(detail=f"not loaded: {Path(str(error.filename)).name}")
        error = error.__cause__ or error.__context__
    return None


def _error_message(error: LoupeError) -> Message:
    return {"error": type(error).__name__, "facts": dict(error.facts)}


def _read(connection: socket.socket, count: int) -> bytes:
    """So many bytes, held in memory once."""
    with connection.makefile("rb") as file:
        data = file.read(count)
    if len(data) < count:
        raise Ended
    return data


def _rule(connection: socket.socket) -> SizeRule:
    """The size rule of the other side."""

    def size(width: int, height: int) -> tuple[int, int]:
        send(connection, {"size_of": [width, height]})
        across, down = receive(connection)["size"]
        return across, down

    return size


class AskedMemory:
    """The memory of a child, which it asks for: see `memory.Memory`."""

    def __init__(self, connection: socket.socket, most: float, most_result: float) -> None:
        self._connection, self.most, self.most_result = connection, most, most_result
        self.pixels: NDArray[np.uint8] | None = None

    @contextmanager
    def taken(self, work: int, result: int) -> Iterator[None]:
        send(self._connection, {"take": [work, result]})
        receive(self._connection)
        yield

    def new_pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        """In memory that both sides share."""
        send(self._connection, {"pixels": [height, width]})
        _, descriptors, _, _ = socket.recv_fds(self._connection, 1, 1)
        if not descriptors:
            raise Ended
        size = height * width * 3
        shared = mmap.mmap(descriptors[0], size)
        os.close(descriptors[0])
        self.pixels = np.frombuffer(shared, np.uint8).reshape(height, width, 3)
        return self.pixels
