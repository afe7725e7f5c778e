"""Work for several processes: each makes its answering function once, then answers task after task.

A worker is a fresh interpreter that reads tasks from its standard input. It imports neither the main module of who
started it (as `multiprocessing` does, so that a script would have to be guarded) nor anything else but what it needs,
and it ends when its input does: however its parent ends, no process is left behind.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from seqtag.errors import ParameterError, SeqtagError
from seqtag.machine import usable_cores

Answer = Callable[[Any], Any]

AHEAD = 2
"""Tasks in flight for each process: one that it works on, and one that it finds when that is done."""

_BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from seqtag.jobs import serve; "
    "serve(sys.stdin.buffer)"
)


def check_jobs(n_jobs: int) -> int:
    """Return a number of processes, -1 being as many as there are cores.

    Raises
    ------
    ParameterError
        If it is neither -1 nor a whole number from 1 on.
    """
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or not (n_jobs == -1 or n_jobs >= 1):
        raise ParameterError(f"n_jobs must be a whole number from 1 on, or -1 for one process a core; got {n_jobs!r}.")
    return usable_cores() if n_jobs == -1 else n_jobs


def in_processes(
    make: Callable[[], Answer], tasks: Iterable[Any], n_jobs: int, pack: Callable[[Any], Any]
) -> Iterator[tuple[Any, Any]]:
    """Answer tasks in worker processes.

    Parameters
    ----------
    make : callable
        Called once in each process; returns what answers a task. It is pickled, and so are tasks and answers.
    tasks : iterable
        Read as they are needed: at most ``AHEAD`` for each process are on their way at any time.
    n_jobs : int
        Number of processes. One is started when there is work for it.
    pack : callable
        Called with a task; returns what of it is sent.

    Yields
    ------
    (task, answer)
        In the order of the tasks, each as soon as it and those before it are there.

    Raises
    ------
    SeqtagError
        If a process ends before its time. What is raised in a process is raised here.
    """
    workers = _Workers(pickle.dumps(make, pickle.HIGHEST_PROTOCOL))
    threads = ThreadPoolExecutor(n_jobs, thread_name_prefix="seqtag-job")
    pending: deque[tuple[Any, Future[Any]]] = deque()
    try:
        for task in tasks:
            pending.append((task, threads.submit(workers.ask, pack(task))))
            while pending and (len(pending) >= AHEAD * n_jobs or pending[0][1].done()):
                task, future = pending.popleft()
                yield task, future.result()
        while pending:
            task, future = pending.popleft()
            yield task, future.result()
    finally:
        workers.stop()
        threads.shutdown(cancel_futures=True)
        workers.close()


class _Workers:
    """One process for each thread that asks; all of them end together."""

    def __init__(self, make: bytes) -> None:
        self._make = make
        self._own = threading.local()
        self._lock = threading.Lock()
        self._all: list[_Worker] = []
        self._stopped = False

    def ask(self, task: Any) -> Any:
        """Answer a task in the process of this thread."""
        worker = getattr(self._own, "worker", None)
        if worker is None:
            with self._lock:
                if self._stopped:
                    raise SeqtagError("the worker processes were stopped.")
                worker = self._own.worker = _Worker(self._make)
                self._all.append(worker)
        return worker.ask(task)

    def stop(self) -> None:
        """End all processes, whatever they are doing."""
        with self._lock:
            self._stopped = True
        for worker in self._all:
            worker.stop()

    def close(self) -> None:
        """Close what was talked through, when no thread waits for an answer any more."""
        for worker in self._all:
            worker.close()


class _Worker:
    """A process that answers; it is talked to by one thread."""

    def __init__(self, make: bytes) -> None:
        import subprocess  # here, as a cold start needs neither
        from multiprocessing.spawn import get_executable

        # In a session of its own, so that an interrupt from the keyboard reaches the parent alone, which then ends it.
        self._process = subprocess.Popen(
            [get_executable(), "-P", "-c", _BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._greeting = [pickle.dumps(sys.path), make]

    def ask(self, task: Any) -> Any:
        """Send a task and wait for its answer."""
        assert self._process.stdin and self._process.stdout
        try:
            for message in (*self._greeting, pickle.dumps(task, pickle.HIGHEST_PROTOCOL)):
                self._process.stdin.write(message)
            self._process.stdin.flush()
            self._greeting = []
            is_answer, value = pickle.load(self._process.stdout)  # of a process of our own
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            self._process.kill()
            code = self._process.wait()
            raise SeqtagError(
                f"a worker process ended before its time (exit status {code}). What it wrote stands above; where it "
                "was killed for want of memory, lower n_jobs."
            ) from error
        if is_answer:
            return value
        raise value

    def stop(self) -> None:
        """End the process; a thread that waits for it finds its pipe closed at the other end."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the pipes."""
        assert self._process.stdin and self._process.stdout
        self._process.stdout.close()
        with contextlib.suppress(OSError):  # of what was still to be written
            self._process.stdin.close()


def serve(source: Any) -> None:
    """Answer the tasks of a stream on standard output, until the stream ends: what a worker process runs.

    Parameters
    ----------
    source : binary file
        Pickles: the callable that makes the answering function, then the tasks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where processes share a console, the parent ends this one
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    with contextlib.suppress(BrokenPipeError):
        answer: Answer | None = None
        make = pickle.load(source)
        while True:
            try:
                task = pickle.load(source)
            except EOFError:
                return
            try:
                answer = answer or make()
                reply = (True, answer(task))
            except Exception as error:  # noqa: BLE001 (raised again where the task came from)
                reply = (False, error)
            sink.write(_packed(reply))
            sink.flush()


def _packed(reply: tuple[bool, Any]) -> bytes:
    try:
        data = pickle.dumps(reply, pickle.HIGHEST_PROTOCOL)
        if not reply[0]:
            pickle.loads(data)  # an exception may be written and yet not be made again
        return data
    except Exception as error:  # noqa: BLE001 (whatever the value's own methods raise)
        return pickle.dumps((False, SeqtagError(f"a worker process failed: {reply[1]!r:.500} ({error}).")))
