"""The first signal asks for an orderly end, the second one does not wait for it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from otel_bridge.cli.ending import until_signal


def press_ctrl_c_twice() -> None:
    with until_signal() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)


def test_a_second_signal_ends_at_once() -> None:
    """Whoever presses Ctrl-C twice means it."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c_twice()
    assert signal.getsignal(signal.SIGINT) is before
