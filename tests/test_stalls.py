"""What has stopped moving is named within its time, wherever it is stuck."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ar1_rl.errors import Ar1RlError, StallError
from ar1_rl.stalls import StallGuard

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 0.2


def test_a_call_that_never_comes_back_is_interrupted_and_named() -> None:
    began_s = time.monotonic()
    with (
        pytest.raises(StallError, match=r"the engine: nothing has moved for 0\.2 s"),
        StallGuard("the engine", LIMIT_S),
    ):
        time.sleep(60)
    assert time.monotonic() - began_s < 30
    assert issubclass(StallError, Ar1RlError) and issubclass(StallError, TimeoutError)


def test_a_loop_that_does_nothing_is_named() -> None:
    with pytest.raises(StallError, match="the loop"), StallGuard("the loop", LIMIT_S):
        while True:
            pass


def test_what_moves_is_left_alone_for_as_long_as_it_takes() -> None:
    with StallGuard("the engine", LIMIT_S) as guard:
        for _ in range(12):
            time.sleep(LIMIT_S / 4)
            guard.progressed()
            guard.check()


def test_the_signal_is_given_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with StallGuard("the engine", LIMIT_S):
        assert signal.getsignal(signal.SIGALRM) != before
    assert signal.getsignal(signal.SIGALRM) == before
    time.sleep(2 * LIMIT_S)


def test_on_another_thread_it_is_named_where_it_is_asked() -> None:
    raised = []

    def work() -> None:
        with StallGuard("the engine", 0.05) as guard:
            time.sleep(0.2)
            try:
                guard.check()
            except StallError as error:
                raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert len(raised) == 1


def test_a_process_stuck_in_compiled_code_ends_and_says_where() -> None:
    """A lock that is waited for in C, with signals held back, stands for a collective that never ends."""
    script = (
        "import signal, threading\n"
        "from ar1_rl.stalls import StallGuard\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"
        "def collective():\n    lock = threading.Lock()\n    lock.acquire()\n    lock.acquire()\n"
        "with StallGuard('rank 1', 0.1, grace_s=0.2):\n    collective()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "rank 1: nothing has moved for 0.1 s." in done.stderr and "in collective" in done.stderr
