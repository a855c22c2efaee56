"""The clocks in the candidate's process: what they time, and what patching torch afterwards does to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from kval_harness.clock import EventClock, Seal, WallClock, clock_for

torch.set_num_threads(1)  # OpenMP's threads do not survive a fork, and other tests fork from this process


class FakeGpu:
    """A device that only keeps time: work takes a millisecond a unit, on the current stream or on another."""

    def __init__(self) -> None:
        self.stream_ms = self.other_ms = 0.0
        self.log: list[str] = []

    def event(self) -> type:
        gpu = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing
                self.at_ms = 0.0

            def record(self, stream: object) -> None:
                assert stream == "the stream"
                gpu.log.append("record")
                self.at_ms = gpu.stream_ms

            def elapsed_time(self, other: Event) -> float:
                return other.at_ms - self.at_ms

        return Event

    def synchronize(self, device: object) -> None:
        self.log.append("wait")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    fake = FakeGpu()
    fill = torch.Tensor.fill_

    def flush(tensor: torch.Tensor, value: int) -> torch.Tensor:
        fake.log.append("flush")
        return fill(tensor, value)

    monkeypatch.setattr(torch.cuda, "Event", fake.event())
    monkeypatch.setattr(torch.cuda, "synchronize", fake.synchronize)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "the stream")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(L2_cache_size=1000))
    monkeypatch.setattr(torch.Tensor, "fill_", flush)
    yield fake


def test_the_cache_is_flushed_before_and_everything_awaited_after(gpu: FakeGpu) -> None:
    clock = EventClock(torch.device("cpu"))
    assert clock.flush_bytes == 2000

    def work() -> str:
        gpu.log.append("call")
        gpu.stream_ms += 7
        return "result"

    result, lap = clock.lap(work)
    assert (result, lap.event_ms) == ("result", 7.0)
    assert lap.host_ms > 0 and lap.outside_ms is None
    assert gpu.log == ["flush", "wait", "record", "call", "record", "wait"]
    gpu.log.clear()
    assert clock.time(work) == ("result", 7.0)
    warm = EventClock(torch.device("cpu"), flush=False)
    gpu.log.clear()
    warm.lap(work)
    assert "flush" not in gpu.log and warm.flush_bytes == 0


def test_what_is_patched_after_the_clock_was_made_changes_nothing_and_is_told(
    gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal, clock = Seal(), EventClock(torch.device("cpu"))
    assert seal.broken() == []
    monkeypatch.setattr(torch.cuda.Event, "elapsed_time", lambda self, other: 1e-9)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)

    def work() -> None:
        gpu.stream_ms += 7

    _, lap = clock.lap(work)
    assert lap.event_ms == 7.0 and lap.host_ms > 0 and gpu.log[-1] == "wait"
    assert seal.broken() == ["torch.cuda.Event.elapsed_time", "torch.cuda.synchronize", "time.perf_counter_ns"]


def test_a_whole_class_put_in_the_place_of_events_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Seal()
    monkeypatch.setattr(torch.cuda, "Event", object)
    assert "torch.cuda.Event" in seal.broken()
    monkeypatch.undo()
    assert seal.broken() == []


def test_the_wall_clock_times_the_call() -> None:
    clock = clock_for("cpu")
    assert isinstance(clock, WallClock)
    result, lap = clock.lap(lambda: time.sleep(0.05))
    assert result is None
    assert 50 <= lap.event_ms == lap.host_ms < 1000
