"""Signals: the first is noted, a second one stops at once, and the first is what is told."""

from __future__ import annotations

import os
import signal

import pytest

from ablation.process.signals import StoppedAtOnceError, caught_signals


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_stops_at_once(first: int, second: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with caught_signals() as caught:
        os.kill(os.getpid(), first)
        assert caught == [first]
        with pytest.raises(StoppedAtOnceError) as stopped:
            os.kill(os.getpid(), second)
    assert stopped.value.signum == first
    assert str(stopped.value) == signal.Signals(first).name
    assert signal.getsignal(signal.SIGTERM) is before
