"""Keeping the terminal for what a researcher should read: our own remarks as plain lines, none of TensorFlow's start.

TensorFlow writes about processors and missing graphics cards from C++ while it is imported, before any of its settings
counts. So its import, and its converter's run, have their standard error put aside; if they fail, it is shown.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

TENSORFLOW = "tensorflow"
STANDARD_ERROR = 2  # as a number: C++ knows no sys.stderr


class _Remarks(logging.Handler):
    """What is worth knowing and stops nothing: to whatever the standard error is just then."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"note: {record.getMessage()}\n")


class _QuietTensorFlow(MetaPathFinder):
    """Finds TensorFlow once, for an import whose standard error is put aside."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        if fullname != TENSORFLOW:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(TENSORFLOW)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def quietly(module: ModuleType) -> None:
            with error_output_aside():
                execute(module)

        spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def error_output_aside() -> Iterator[None]:
    """Nothing that is written to the standard error in here is seen, by whatever language, unless an exception leaves."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as aside:
        before = os.dup(STANDARD_ERROR)
        os.dup2(aside.fileno(), STANDARD_ERROR)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(before, aside.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, STANDARD_ERROR)
            os.close(before)


def keep_quiet() -> None:
    """Once in each process, before TensorFlow is imported."""
    remarks = logging.getLogger("training")
    if not remarks.handlers:
        remarks.addHandler(_Remarks())
        remarks.propagate = False
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger(TENSORFLOW).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=TENSORFLOW)
    if TENSORFLOW not in sys.modules and not any(isinstance(finder, _QuietTensorFlow) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietTensorFlow())
