"""The runtime seam: the one place that knows how a `.tflite` file is run.

LiteRT (`ai-edge-litert`) runs it; where only the older `tflite-runtime` is installed, that does. With LiteRT's default
kernels (XNNPACK) integer outputs are equal bit for bit on x86-64 and arm64. tflite-runtime's kernels differ by a few
steps: `Runtime.exact` is false there, and the golden check allows for it.

An interpreter isn't thread-safe but releases the GIL while it works. So a `Network` has one interpreter for each thread
that may run it at once, and threads share the network. The file is memory-mapped, so further interpreters of the same
file share its weights. The runtime ignores bytes after the flatbuffer, so a bundle can be one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from device.base.errors import ModelUnusable, RuntimeMissing


class TensorDetail(TypedDict):
    """What a runtime says of an input or output, as far as it is used here. `quantization`: scale and zero point."""

    name: str
    index: int
    dtype: type[np.generic]
    quantization: tuple[float, int]


class SignatureRunner(Protocol):
    """A signature of a network, for its inputs and outputs by name."""

    def get_input_details(self) -> dict[str, TensorDetail]: ...

    def get_output_details(self) -> dict[str, TensorDetail]: ...


class Interpreter(Protocol):
    """What both libraries' interpreters have, as far as it is used here."""

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]: ...

    def get_signature_runner(self, name: str) -> SignatureRunner: ...

    def resize_tensor_input(self, index: int, shape: tuple[int, ...]) -> None: ...

    def allocate_tensors(self) -> None: ...

    def set_tensor(self, index: int, value: NDArray[np.int8] | NDArray[np.uint8]) -> None: ...

    def invoke(self) -> None: ...

    def get_tensor(self, index: int) -> NDArray[np.int8]: ...


@dataclass(frozen=True)
class Runtime:
    """Which library runs the network. `exact`: its integer outputs are those of every other exact machine."""

    name: str
    version: str
    exact: bool
    interpreter: Callable[..., Interpreter]


@dataclass(frozen=True)
class Quantization:
    """real = (integer − zero_point) × scale"""

    scale: float
    zero_point: int


def find_runtime() -> Runtime:
    """LiteRT if it is installed, else tflite-runtime. Raises `RuntimeMissing`."""
    try:
        from ai_edge_litert.interpreter import Interpreter as LiteRT

        return Runtime("ai-edge-litert", version("ai-edge-litert"), True, LiteRT)
    except ImportError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter as TFLite
    except ImportError as error:
        raise RuntimeMissing() from error
    return Runtime("tflite-runtime", version("tflite-runtime"), False, TFLite)


class _Interpreter:
    """For one thread at a time. Raises `ModelUnusable` when the file can't be run, has no signature, or takes or gives
    anything but 8-bit integers."""

    def __init__(self, path: Path, threads: int, runtime: Runtime) -> None:
        try:
            self._interpreter = runtime.interpreter(model_path=str(path), num_threads=threads)
            signatures = self._interpreter.get_signature_list()
            (name,) = signatures
            (input_name,) = signatures[name]["inputs"]
            signature = self._interpreter.get_signature_runner(name)
            input_detail = signature.get_input_details()[input_name]
            output_details = signature.get_output_details()
        except (ValueError, RuntimeError, KeyError) as error:
            raise ModelUnusable(detail=str(error)) from error
        for detail in (input_detail, *output_details.values()):
            if np.dtype(detail["dtype"]) not in (np.dtype(np.int8), np.dtype(np.uint8)):
                raise ModelUnusable(detail=f"{detail['name']} is {np.dtype(detail['dtype'])}, not an 8-bit integer")
        self._input_index = input_detail["index"]
        self._input_offset = 0 if np.dtype(input_detail["dtype"]) == np.dtype(np.uint8) else 128
        self._output_indexes = {name: detail["index"] for name, detail in output_details.items()}
        self._shape: tuple[int, ...] = ()
        self.input = Quantization(*input_detail["quantization"])
        self.outputs = {name: Quantization(*detail["quantization"]) for name, detail in output_details.items()}

    def run(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.int8]]:
        """See `Network.run`."""
        batch: NDArray[np.int8] | NDArray[np.uint8] = pixels[None]
        if self._input_offset:
            batch = (batch.astype(np.int16) - self._input_offset).astype(np.int8)
        try:
            if batch.shape != self._shape:
                self._shape = ()
                self._interpreter.resize_tensor_input(self._input_index, batch.shape)
                self._interpreter.allocate_tensors()
                self._shape = batch.shape
            self._interpreter.set_tensor(self._input_index, batch)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelUnusable(detail=str(error)) from error
        return {name: self._interpreter.get_tensor(index)[0] for name, index in self._output_indexes.items()}


class Network:
    """An integer network, by `copies` interpreters of `threads` threads each. Threads may share it: so many run it at once,
    and more wait.

    `outputs` has the quantization of each output by its signature name. Raises `ModelUnusable` when the file can't be
    run, has no signature, or takes or gives anything but 8-bit integers.
    """

    def __init__(self, path: Path, *, threads: int = 1, runtime: Runtime | None = None, copies: int = 1) -> None:
        self.runtime = runtime or find_runtime()
        self._free: LifoQueue[_Interpreter] = LifoQueue()
        for _ in range(copies):
            interpreter = _Interpreter(path, threads, self.runtime)
            self._free.put(interpreter)
        self.input, self.outputs = interpreter.input, interpreter.outputs

    def run(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.int8]]:
        """uint8 pixels [h, w, 3] → the integer outputs [rows, columns, channels] by signature name, copies.

        A size other than the last one costs a new memory plan. Raises `ModelUnusable` for a size that the network
        doesn't take.
        """
        interpreter = self._free.get()
        try:
            return interpreter.run(pixels)
        finally:
            self._free.put(interpreter)

    @contextmanager
    def idle(self) -> Iterator[list[Network]]:
        """A network of one interpreter for each that nobody uses now. Whoever wants to run one meanwhile waits."""
        singles: list[Network] = []
        with suppress(Empty):
            while True:
                single = copy(self)
                single._free = LifoQueue()
                single._free.put(self._free.get_nowait())
                singles.append(single)
        try:
            yield singles
        finally:
            for single in singles:
                self._free.put(single._free.get())
