"""Tasks on a real local cluster: results come back, deaths and failures cost nothing but themselves and are told."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import Client

from device.bench import free_port
from tests.support.engine_tasks import die, die_first, double, refuse, threads
from training.distributed import engine
from training.distributed.engine import connect, raise_failures, run_tasks
from training.errors import ClusterError, Interrupted, TaskFailed


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine.SETTINGS, "distributed.scheduler.allowed-failures", 1)  # each death costs seconds
        with connect(None, 2) as client:
            yield client


def test_results_are_kept_by_name(client: Client) -> None:
    kept: dict[str, int] = {}
    assert run_tasks(client, double, {str(n): (n,) for n in range(20)}, "double", kept.__setitem__) == []
    assert kept == {str(n): 2 * n for n in range(20)}


def test_a_local_worker_uses_one_thread(client: Client) -> None:
    assert set(map(tuple, client.run(threads).values())) == {("1",) * len(engine.THREADS)}


def test_a_task_whose_worker_is_killed_is_done_by_another(
    client: Client, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept: dict[str, str] = {}
    assert run_tasks(client, die_first, {"fold 1": (tmp_path / "mark",)}, "folds", kept.__setitem__) == []
    assert kept == {"fold 1": "done by another"}
    assert "died; it had fold 1" in capfd.readouterr().err


def test_a_task_that_kills_every_worker_is_given_up_and_the_others_are_kept(client: Client) -> None:
    kept: dict[str, int] = {}
    (failure,) = run_tasks(client, die, {"heavy": ()}, "tasks", print)
    assert (failure.task, failure.killed) == ("heavy", True)
    assert run_tasks(client, double, {"after": (1,)}, "tasks", kept.__setitem__) == []
    assert kept == {"after": 2}


def test_failures_are_told_with_their_own_message(client: Client) -> None:
    failures = run_tasks(client, refuse, {kind: (kind,) for kind in ("named", "box", "bug")}, "tasks", print)
    reasons = {failure.task: failure.reason for failure in failures}
    assert reasons["named"] == "the folder is gone: mount it"
    assert "3 × 4" in reasons["box"]
    assert "image_too_small" in reasons["box"]
    assert reasons["bug"] == "ZeroDivisionError: a fault in the code"
    with pytest.raises(TaskFailed, match="the folder is gone"):
        raise_failures(failures, "tasks", 3)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS_TO_ANSWER", 1)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://"):
        with (
            pytest.raises(ClusterError, match=f"no scheduler answers at {address}: start one with `dask scheduler`"),
            connect(address, 1),
        ):
            pass


def test_an_interruption_keeps_what_is_finished(client: Client) -> None:
    kept: dict[str, int] = {}

    def keep(name: str, result: int) -> None:
        kept[name] = result
        signal.raise_signal(signal.SIGINT)

    # A shell that starts the tests in the background has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted, match="the same command goes on"):
            run_tasks(client, double, {str(n): (n,) for n in range(3)}, "double", keep)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(kept) == 1


@contextmanager
def _dask(*arguments: str) -> Iterator[None]:
    """A process that a person would start by hand with `dask …`."""
    with subprocess.Popen([sys.executable, "-m", "dask", *arguments], stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def test_a_cluster_is_used_if_its_workers_are_like_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    worker = ("worker", address, "--no-nanny", "--no-dashboard", "--nthreads")
    monkeypatch.setattr(engine, "SECONDS_TO_A_WORKER", 1)
    with _dask("scheduler", "--host", "127.0.0.1", "--port", address.rsplit(":", 1)[1], "--no-dashboard"):
        _wait_for(address)
        with (
            pytest.raises(ClusterError, match=f"no worker: start some with `dask worker {address}"),
            connect(address, 1),
        ):
            pass
        monkeypatch.setattr(engine, "SECONDS_TO_A_WORKER", 60)
        with _dask(*worker, "2"), pytest.raises(ClusterError, match="--nthreads 1"), connect(address, 1):
            pass
        with _dask(*worker, "1"):
            kept: dict[str, int] = {}
            with connect(address, 1) as client:
                assert run_tasks(client, abs, {"a": (-3,)}, "double", kept.__setitem__) == []
            assert kept == {"a": 3}
            here = engine.installed()
            monkeypatch.setattr(engine, "installed", lambda: {**here, "numpy": "0.1"})
            with pytest.raises(ClusterError, match="numpy"), connect(address, 1):
                pass


def _wait_for(address: str) -> None:
    host, port = address.removeprefix("tcp://").split(":")
    for _ in range(600):
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(address)
