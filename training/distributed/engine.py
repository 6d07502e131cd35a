"""The distributed engine: tasks on Dask `distributed`, on this machine's processes or on a cluster's workers.

    with connect(scheduler, workers) as client:
        failed = run_tasks(client, read_batch, {"1": (batch, …), …}, "read", keep)

A worker runs one task at a time. A task whose worker dies is given to another worker; one that fails leaves the others
running and is reported at the end. What a task gives back is handed to `keep` at once, so that an interruption loses
only what was under way. How workers are started on a cluster is in docs/researchers/cluster.md.
"""

# mypy: allow-untyped-calls
# (Dask has types for most of its functions, but not for all.)

from __future__ import annotations

import hashlib
import logging
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import dask
from distributed import Client, KilledWorker, LocalCluster, Worker, as_completed, get_worker
from distributed.system import MEMORY_LIMIT
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from device.base.errors import LoupeError
from device.base.texts import error_words
from training.errors import ClusterError, Interrupted, TaskFailed, TrainingError
from training.quiet import keep_quiet

T = TypeVar("T")

# Read by the libraries when they are first imported.
THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
SETTINGS = {
    "distributed.worker.profile.enabled": False,  # samples every 10 ms, and nobody looks
    "distributed.scheduler.allowed-failures": 3,
}
MEMORY_SHARE = 0.9
SECONDS_TO_ANSWER = 10
SECONDS_TO_A_WORKER = 60
SECONDS_BETWEEN_LOOKS = 0.1
# What must be alike everywhere for a figure to be the same wherever it is computed.
PACKAGES = (
    "dask", "distributed", "numpy", "pandas", "pyarrow", "pillow", "scikit-learn", "tensorflow", "keras",
    "ai-edge-litert",
)  # fmt: skip
CODE = ("device", "training")


@dataclass(frozen=True)
class Failure:
    """A task that gave nothing: its name, why, and whether each of its workers died of it."""

    task: str
    reason: str
    killed: bool


@cache
def installed() -> dict[str, str]:
    """Versions of packages and the hash of Loupe's own code, as this process sees them."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for path in sorted(path for folder in CODE for path in (root / folder).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return versions | {"loupe's code": digest.hexdigest()[:12]}


def _check_worker(wanted: Mapping[str, str], dask_worker: Worker | None = None) -> None:
    """Raises `ClusterError` when this worker isn't set up like the machine that gives the tasks. `Client.run` fills in
    `dask_worker`; in a task the worker is asked for."""
    worker = dask_worker or get_worker()
    threads = worker.state.nthreads
    if threads != 1:
        raise ClusterError(
            f"worker {worker.address} runs {threads} tasks at a time, and a network reads one: "
            "start it with `dask worker --nthreads 1`, several with `--nworkers`"
        )
    here = installed()
    differing = [f"{name} {here[name]} there, {wanted[name]} here" for name in wanted if here[name] != wanted[name]]
    if differing:
        raise ClusterError(
            f"worker {worker.address} has other software: {'; '.join(differing)}. "
            "Install the same commit from the same lock file on every machine, then restart its workers"
        )


@contextmanager
def connect(scheduler: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler at an address (`tcp://host:8786`), or of `workers` processes on this machine.

    Each local worker has one thread and an equal part of the memory, and is started anew when it dies. Raises
    `ClusterError` when the scheduler doesn't answer, has no worker, or its workers have other software.
    """
    if scheduler is None:
        with _local(workers) as client:
            yield client
    else:
        with _running(scheduler) as client:
            yield client


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=int(MEMORY_LIMIT * MEMORY_SHARE / workers),
            # Without a dashboard, on any free port: several commands may run at once.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            env=dict.fromkeys(THREADS, "1") | QUIET,
            preload=[__name__],
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _running(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=SECONDS_TO_ANSWER)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no scheduler answers at {scheduler}: start one with `dask scheduler` and name the address that it prints "
            "(tcp://HOST:8786), or leave --scheduler out to work on this machine"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_TO_A_WORKER)
        except TimeoutError as error:
            raise ClusterError(
                f"the scheduler at {scheduler} has no worker: start some with `dask worker {scheduler} --nthreads 1`"
            ) from error
        try:
            client.run(_check_worker, installed())
        except ImportError as error:
            raise ClusterError(
                f"a worker of {scheduler} can't import Loupe ({error}): install the same commit on every machine"
            ) from error
        yield client


@cache
def _prepare(wanted: tuple[tuple[str, str], ...]) -> None:
    """Once in a worker's life; also workers that came after `connect` are checked here."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    _check_worker(dict(wanted))


def _run_task(function: Callable[..., T], wanted: tuple[tuple[str, str], ...], *arguments: Any) -> T:
    _prepare(wanted)
    try:
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
        ):  # bars of workers would overwrite each other
            return function(*arguments)
    except LoupeError as error:  # takes keywords, so it can't be sent
        message = error_words(error, "en")
        raise TaskFailed(f"{message['title']}. {message['detail']} [{error.code}]") from None


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=3600,  # tasks may take minutes
    )


def _failure(name: str, error: Exception, console: Console) -> Failure:
    if isinstance(error, KilledWorker):
        reason = f"{error.allowed_failures + 1} workers died of it, one after another: most likely of too little memory"
        return Failure(name, reason, killed=True)
    if isinstance(error, TrainingError):
        return Failure(name, str(error), killed=False)
    console.print("".join(traceback.format_exception(error)), markup=False, highlight=False)
    return Failure(name, f"{type(error).__name__}: {error}", killed=False)


@contextmanager
def _deaths_reported(client: Client, names: Mapping[str, str], console: Console) -> Iterator[None]:
    """Say which tasks a dying worker had; `names` are those of keys."""

    def report(event: tuple[float, Any]) -> None:
        _, what = event
        if isinstance(what, dict) and what.get("action") == "remove-worker" and not what["expected"]:
            lost = sorted(
                names[key] for key in {*what["processing-tasks"], *what["lost-computed-tasks"]} & names.keys()
            )
            if lost:
                console.print(f"worker {what['worker']} died; it had {', '.join(lost)}", highlight=False)

    client.subscribe_topic("all", report)
    try:
        yield
    finally:
        client.unsubscribe_topic("all")


def run_tasks(
    client: Client,
    function: Callable[..., T],
    tasks: Mapping[str, tuple[Any, ...]],
    what: str,
    keep: Callable[[str, T], None],
    *,
    unit: str = "tasks",
    size: Callable[[str], float] = lambda _: 1,
    so_far: Callable[[str], float] = lambda _: 0,
) -> list[Failure]:
    """Run `function(*arguments)` for each named task and hand each result to `keep(name, result)`; which tasks failed.

    An argument may be a future. The bar counts `size(name)` units a task, of which `so_far(name)` are done in a task
    that isn't finished. Ctrl-C gives up all tasks and raises `Interrupted`; what was kept stays.
    """
    console = Console(stderr=True)
    # A worker of this machine that is started anew while somebody edits the code shall not end a long run.
    wanted = tuple(installed().items()) if client.cluster is None else ()
    keys = {f"{what}-{name}-{os.urandom(4).hex()}": name for name in tasks}
    failures: list[Failure] = []
    begun, started, finished = float(sum(map(so_far, tasks))), time.monotonic(), 0.0
    with _progress(console) as progress, _deaths_reported(client, keys, console):
        open_tasks = {  # the scheduler hears first that deaths are to be reported: the first task may be deadly
            client.submit(_run_task, function, wanted, *tasks[name], key=key, pure=False): name
            for key, name in keys.items()
        }
        bar = progress.add_task(what, total=sum(map(size, tasks)), completed=int(begun), unit=unit, rate="")
        completed = as_completed(list(open_tasks))
        try:
            while open_tasks:
                for future in completed.next_batch(block=False):
                    name = open_tasks.pop(future)
                    try:
                        result = future.result()
                    except Exception as error:
                        failures.append(_failure(name, error, console))
                        console.print(f"{what} {name}: {failures[-1].reason}", markup=False, highlight=False)
                    else:
                        keep(name, result)
                    finished += size(name)
                now = finished + sum(map(so_far, open_tasks.values()))
                rate = (now - begun) / (time.monotonic() - started)
                progress.update(bar, completed=now, rate=f"{rate:.1f}/s" if rate >= 1 else "")
                time.sleep(SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt:
            client.cancel(list(open_tasks))
            raise Interrupted("stopped; what was finished is kept: the same command goes on from there") from None
    return failures


def raise_failures(failures: Sequence[Failure], what: str, count: int) -> None:
    """Raises `TaskFailed` that names every failed task of `count`, if there is any."""
    if failures:
        reasons = "".join(f"\n  {failure.task}: {failure.reason}" for failure in failures)
        raise TaskFailed(
            f"{len(failures)} of {count} {what} failed; the others are kept, and the same command tries the failed ones "
            f"again:{reasons}"
        )


def dask_setup(_worker: Worker) -> None:
    """Run by Dask in each local worker. A terminal's Ctrl-C reaches the whole process group, but the client is the one that
    ends workers; and it tells of failures too."""
    keep_quiet()
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
