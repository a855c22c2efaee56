"""Hostile children, each really forked: none may outlive, outwrite or outlast its limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from kval_harness import usage
from kval_harness.contain import (
    CHANNEL_DESCRIPTOR,
    Channel,
    Child,
    ChildEnd,
    Interrupted,
    Json,
    Limits,
    Starved,
    run_child,
)
from kval_harness.usage import descendants

ROOT = Path(__file__).resolve().parents[2]


def contained(task: Callable[[Channel], Json], folder: Path, wall_s: float = 20.0, **limits: int) -> ChildEnd:
    return run_child(task, folder=folder, limits=Limits(wall_s, **limits))


def left() -> list[int]:
    """Our own descendants. As their subreaper we get all that escape, whatever process table they are in."""
    return descendants(os.getpid())


def named(name: str) -> list[int]:
    """Every living process of this machine that calls itself so."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if lines["Name"] == name and not lines["State"].startswith("Z"):
                found.append(int(lines["Pid"]))
    return found


def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def test_what_the_task_returns_comes_back(tmp_path: Path) -> None:
    end = contained(lambda _: {"answer": [1, 2.5, None, "\N{SNOWMAN}"]}, tmp_path)
    assert (end.kind, end.value) == ("returned", {"answer": [1, 2.5, None, "\N{SNOWMAN}"]})


def test_what_the_task_raises_comes_back_with_its_trace(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        raise LookupError("no such kernel")

    end = contained(task, tmp_path)
    assert (end.kind, end.error_type, end.error) == ("raised", "LookupError", "no such kernel")
    assert end.traceback is not None and "in task" in end.traceback


def test_an_exception_that_lies_about_itself_still_ends_the_child(tmp_path: Path) -> None:
    class Liar(BaseException):
        def __str__(self) -> str:
            raise RuntimeError("not even this")

    def task(_: Channel) -> Json:
        raise Liar

    end = contained(task, tmp_path)
    assert (end.kind, end.error_type) == ("raised", "Liar")


def test_the_environment_is_scrubbed_and_the_folder_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    def task(_: Channel) -> Json:
        return {"env": dict(os.environ), "cwd": str(Path.cwd())}

    end = run_child(task, folder=tmp_path, limits=Limits(20), environment={"CUDA_VISIBLE_DEVICES": "1"})
    assert isinstance(end.value, dict) and isinstance(end.value["env"], dict)
    assert "OPENAI_API_KEY" not in end.value["env"]
    assert end.value["env"]["CUDA_VISIBLE_DEVICES"] == "1"
    assert end.value["cwd"] == end.value["env"]["HOME"] == str(tmp_path)


def test_no_descriptor_of_ours_is_there(tmp_path: Path) -> None:
    secret = os.open(tmp_path / "secret", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(secret, True)

    def task(_: Channel) -> Json:
        return [number for number in range(4096) if Path(f"/proc/self/fd/{number}").exists()]

    end = contained(task, tmp_path)
    os.close(secret)
    assert end.value == [0, 1, 2, CHANNEL_DESCRIPTOR]


def test_a_grandchild_that_holds_the_pipe_does_not_hold_us(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        if os.fork() == 0:
            time.sleep(600)
        os._exit(3)

    began = time.monotonic()
    end = contained(task, tmp_path)
    assert (end.kind, end.exit_code) == ("exited", 3)
    assert time.monotonic() - began < 5


def test_a_process_that_escapes_from_its_group_dies_too(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.setsid()
                os.closerange(0, 64)
                for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    signal.signal(name, signal.SIG_IGN)
                (tmp_path / "escaped").touch()
                time.sleep(600)
            os._exit(0)
        while not (tmp_path / "escaped").exists():
            time.sleep(0.01)
        return "gone"

    assert contained(task, tmp_path).value == "gone"
    assert left() == []


def test_many_children_that_fork_on_are_all_killed(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        for _number in range(5):
            if os.fork() == 0:
                os.setsid()
                while True:  # each lives for a moment and leaves another behind
                    if os.fork() != 0:
                        os._exit(0)
                    time.sleep(0.01)
        time.sleep(600)
        return None

    end = contained(task, tmp_path, wall_s=1.0, processes=64)
    assert end.kind == "timeout" or end.excess is not None
    assert left() == []


def test_a_child_that_ignores_signals_is_killed_at_its_deadline(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        for number in range(1, signal.NSIG):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                continue
        while True:
            pass

    began = time.monotonic()
    end = contained(task, tmp_path, wall_s=0.5)
    assert end.kind == "timeout"
    assert 0.5 <= time.monotonic() - began < 3


def test_a_child_that_closes_everything_is_still_accounted_for(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        os.closerange(0, 1024)
        time.sleep(600)
        return None

    assert contained(task, tmp_path, wall_s=0.5).kind == "timeout"


def test_a_gigabyte_of_output_is_bounded(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        block = b"x" * (1 << 20)
        for _number in range(1024):
            os.write(1, block)
        os.write(1, b"the end")
        return None

    end = run_child(task, folder=tmp_path, limits=Limits(60, file_bytes=1 << 34))
    assert end.kind == "returned"
    assert end.stdout.endswith("the end")
    assert len(end.stdout) <= 16 * 1024
    assert (tmp_path / "stdout").stat().st_size < 1 << 29


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        Path("big").write_bytes(b"x" * (2 << 20))
        return None

    end = contained(task, tmp_path, file_bytes=1 << 20)
    assert (end.kind, end.error_type) == ("raised", "OSError")


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGSEGV, "fault"), (signal.SIGKILL, "kill"), (signal.SIGABRT, "abort")],
)
def test_a_child_that_dies_by_a_signal_is_told_apart(tmp_path: Path, number: signal.Signals, how: str) -> None:
    def task(_: Channel) -> Json:
        if how == "fault":
            import ctypes

            ctypes.string_at(0)
        elif how == "abort":
            os.abort()
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    end = contained(task, tmp_path)
    assert (end.kind, end.signal) == ("signalled", number)


def test_a_child_that_leaves_without_a_word(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        os.write(1, b"bye\n")
        os._exit(0)

    end = contained(task, tmp_path)
    assert (end.kind, end.exit_code, end.value, end.stdout) == ("exited", 0, None, "bye\n")


def test_memory_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        return len(bytearray(512 << 20))

    end = contained(task, tmp_path, memory_bytes=128 << 20)
    assert (end.kind, end.error_type) == ("raised", "MemoryError")


def test_words_out_of_turn_end_the_child(tmp_path: Path) -> None:
    def task(_: Channel) -> Json:
        os.write(CHANNEL_DESCRIPTOR, b"\xff\xff\xff\xff not a message")
        time.sleep(600)
        return None

    end = contained(task, tmp_path)
    assert end.kind == "signalled" and end.value is None


def test_requests_are_served_and_their_time_can_be_free(tmp_path: Path) -> None:
    def task(channel: Channel) -> Json:
        return [channel.ask({"build": number}) for number in range(3)]

    def serve(request: Json) -> Json:
        time.sleep(0.3)
        return {"seen": request}

    limits = Limits(0.6)
    free = run_child(task, folder=tmp_path, limits=limits, serve=serve, clock_stops_while_serving=True)
    assert free.value == [{"seen": {"build": number}} for number in range(3)]
    paid = run_child(task, folder=tmp_path, limits=limits, serve=serve)
    assert paid.kind == "timeout"


def test_what_serve_raises_passes_through_and_the_child_is_dead(tmp_path: Path) -> None:
    def serve(_: Json) -> Json:
        assert left() != []
        raise FileNotFoundError("no toolchain")

    with pytest.raises(FileNotFoundError):
        run_child(lambda channel: channel.ask("build"), folder=tmp_path, limits=Limits(20), serve=serve)
    assert left() == []


def test_a_stop_ends_the_child_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Interrupted):
        run_child(
            lambda _: time.sleep(600),
            folder=tmp_path,
            limits=Limits(600),
            stop=lambda: time.monotonic() - began > 0.3,
        )
    assert time.monotonic() - began < 3


def test_time_that_others_took_is_not_held_against_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one processor with others who compute, each a session of its own, which schedulers may treat as equals."""
    monkeypatch.setattr(usage, "STARVED_S", 0.5)
    processor = min(os.sched_getaffinity(0))

    def compute(_: Channel) -> Json:
        os.sched_setaffinity(0, {processor})
        while True:
            pass

    busy = f"import os\nos.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", busy], start_new_session=True) for _ in range(5)]
    try:
        with pytest.raises(Starved, match="waiting for a processor"):
            contained(compute, tmp_path, wall_s=2.0)
    finally:
        for one in others:
            one.kill()
            one.wait()
    assert left() == []


def test_two_children_can_talk_in_turn(tmp_path: Path) -> None:
    def task(channel: Channel) -> Json:
        first = channel.ask("ready")
        return [first, channel.ask("again")]

    older = Child(task, folder=tmp_path / "older", limits=Limits(20))
    with older, Child(task, folder=tmp_path / "younger", limits=Limits(20)) as younger:
        for child in (older, younger, younger, older):
            request = child.receive()
            assert request is not None and request.body in ("ready", "again")
            child.answer("well")
        for child in (younger, older):
            assert child.receive() is None
        assert younger.end().value == ["well", "well"]
        assert older.end().value == ["well", "well"]


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    name = f"kval-{os.urandom(4).hex()}"
    script = f"""
import ctypes, os, sys, time
sys.path.insert(0, {str(ROOT / "cuda-harness")!r})
from pathlib import Path
from kval_harness.contain import Limits, run_child
def task(channel):
    ctypes.CDLL(None).prctl(1, 0)  # no signal when the parent dies
    ctypes.CDLL(None).prctl(15, {name.encode()!r})
    if os.fork() == 0:
        os.setsid()
    time.sleep(600)
run_child(task, folder=Path({str(tmp_path / "work")!r}), limits=Limits(600))
"""
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        until(lambda: len(named(name)) == 2, 20)
        parent.kill()
    until(lambda: named(name) == [])
    for orphan in left():  # ours now, and dead
        os.waitpid(orphan, 0)


def test_ending_an_older_child_ends_the_younger_too(tmp_path: Path) -> None:
    older = Child(lambda channel: channel.ask("older"), folder=tmp_path / "older", limits=Limits(20))
    younger = Child(lambda channel: channel.ask("younger"), folder=tmp_path / "younger", limits=Limits(20))
    request = younger.receive()
    assert request is not None and request.body == "younger"
    older.end()
    assert left() == []
    assert younger.receive() is None
    assert younger.end().kind in ("signalled", "exited")
