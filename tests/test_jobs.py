"""Work in several processes: in order, a few tasks ahead, errors as they were raised, nothing left behind."""

import os
import time
from functools import partial

import pytest

from seqtag.errors import DataError, ParameterError, SeqtagError
from seqtag.jobs import AHEAD, check_jobs, in_processes
from seqtag.machine import usable_cores

EVALUATE = partial(partial, eval)  # makes a function that needs no module of the tests


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("n_jobs", [0, -2, 1.0, True, "2", None])
def test_n_jobs_must_be_a_number_of_processes(n_jobs):
    with pytest.raises(ParameterError, match="n_jobs must be a whole number from 1 on, or -1"):
        check_jobs(n_jobs)


def test_minus_one_is_a_process_a_core():
    assert check_jobs(-1) == usable_cores() and check_jobs(3) == 3


def test_answers_come_in_order_and_tasks_are_read_as_needed():
    read = []

    def tasks():
        i = 0
        while True:
            read.append(i)
            yield i
            i += 1

    def pack(i):
        return (
            f"(print('noise'), __import__('time').sleep({0.2 if i == 0 else 0}), {i} * 10, __import__('os').getpid())"
        )

    answered = in_processes(EVALUATE, tasks(), 2, pack)
    assert read == []
    pids = set()
    for i in range(12):
        task, (*_, value, pid) = next(answered)
        pids.add(pid)
        assert task == i and value == 10 * i
        assert len(read) <= i + 2 * AHEAD + 1
    assert os.getpid() not in pids and all(map(is_alive, pids))
    answered.close()
    assert not any(map(is_alive, pids))


ERRORS = {
    "of our own": ("__import__('seqtag.errors').errors.DataError('X[3] must be a string')", DataError, "X.3. must be"),
    "of Python": ("ValueError('such as this')", ValueError, "such as this"),
    "that cannot be sent": (
        "type('Odd', (Exception,), {'__reduce__': lambda self: 3})('odd')",
        SeqtagError,
        r"failed: Odd\('odd'\)",
    ),
}


@pytest.mark.parametrize(("error", "kind", "message"), ERRORS.values(), ids=ERRORS)
def test_what_is_raised_in_a_process_is_raised_here(error, kind, message):
    tasks = ["__import__('os').getpid()", f"(_ for _ in ()).throw({error})", "1"]
    answered = in_processes(EVALUATE, tasks, 1, str)
    _, pid = next(answered)
    with pytest.raises(kind, match=message):
        list(answered)
    assert not is_alive(pid)


def test_a_process_that_dies_says_so():
    with pytest.raises(SeqtagError, match=r"ended before its time \(exit status 7\)"):
        list(in_processes(partial(partial, os._exit), [7], 1, int))


def test_an_error_in_making_is_raised_where_the_answer_was_due():
    with pytest.raises(ZeroDivisionError):
        list(in_processes(partial(divmod, 1, 0), ["1"], 1, str))


def test_an_interrupt_leaves_no_process():
    def tasks():
        yield "__import__('os').getpid()"
        yield "__import__('time').sleep(60)"
        raise KeyboardInterrupt

    answered = in_processes(EVALUATE, tasks(), 1, str)
    began = time.monotonic()
    pids = []
    with pytest.raises(KeyboardInterrupt):
        pids.extend(pid for _, pid in answered)
    assert pids or time.monotonic() - began < 30
    assert not any(map(is_alive, pids))
