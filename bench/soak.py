"""Many small jobs one after the other, a third of them hostile: every honest one comes out right, and nothing is left.

    python bench/soak.py                      500 jobs
    python bench/soak.py --jobs 60 --results /tmp/soak.json
    python bench/soak.py --device cpu         500 candidates, judged by a worker of the harness

Tasks (without a device): honest jobs compute with torch behind all fences that the machine has; hostile ones hang,
crash, exhaust memory, fork, fill the disk, corrupt the heap, flood their output, leave daemons behind, or close and
forge what they can. Candidates: the honest ones and the cheats of `kernelbench/redteam`. After each job its folder is
deleted. At the end: no wrong value, no process, no file, no descriptor, no mount left, memory flat. The figures go to
`bench/results/soak.json` (`soak-cpu.json` for candidates on that device); the exit status says whether all of that
holds. Other work of kval's on the machine would be taken for what the jobs have left.

Another kind of job is one more `Case`: a function from a number and an empty folder to what went wrong, or None.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cuda-harness"))

from kval_harness.contain import Channel, ChildEnd, Fences, Json, Limits, isolation, remove, run_child  # noqa: E402
from kval_harness.tensors import read_values, write_values  # noqa: E402
from kval_harness.usage import descendants  # noqa: E402

import redteam  # noqa: E402
from worker import Device, Worker  # noqa: E402

RESULTS = ROOT / "bench" / "results"
CACHE = ROOT / ".kval" / "redteam"  # the builds are the same
SHARED_MEMORY = Path("/dev/shm")
HOSTILE_SHARE = 0.3
MIB = 1 << 20
ALLOWED_GROWTH_MIB = 16.0
MARK = f"kval-{os.urandom(4).hex()}"  # the name of every process and of every stray file of this run


@dataclass(frozen=True)
class Case:
    """`run` gets the job's number and an empty folder; it returns what is wrong with the outcome, None if nothing."""

    name: str
    hostile: bool
    run: Callable[[int, Path], str | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None, help="candidates on this device")
    parser.add_argument("--results", type=Path, default=None)
    options = parser.parse_args()
    results = options.results or RESULTS / ("soak.json" if options.device is None else f"soak-{options.device}.json")
    import torch

    torch.set_num_threads(1)  # a process that forks must not have used OpenMP
    with tempfile.TemporaryDirectory(prefix="kval-soak-") as scratch:
        if options.device is None:
            report = soak(cases(), options.jobs, options.seed, Path(scratch), os.getpid)
        else:
            os.environ["TMPDIR"] = tempfile.tempdir = scratch  # whatever a job leaves, it is found
            with Worker(options.device, CACHE) as worker:
                mix = candidates(worker, options.device)
                report = soak(mix, options.jobs, options.seed, Path(scratch), lambda: worker.process_id)
            del os.environ["TMPDIR"]
            tempfile.tempdir = None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    about: dict[str, Json] = {
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{os.cpu_count()} cores, {round(memory / 2**30)} GiB, {platform.system()}",
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
        "isolation": dict(isolation()),
    }
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(about | report, indent=2) + "\n")
    for name, value in report.items():
        print(f"{name:24}{json.dumps(value)}")
    sys.exit(0 if report["sound"] else 1)


def soak(mix: list[Case], jobs: int, seed: int, scratch: Path, process: Callable[[], int]) -> dict[str, Json]:
    """Runs `jobs` of the mix in a random order, each in a folder in `scratch`, and says what was wrong and what was
    left: there, in the places that everybody may write to, and in the process that judges."""
    chance = random.Random(seed)
    honest, hostile = [one for one in mix if not one.hostile], [one for one in mix if one.hostile]
    count = round(jobs * HOSTILE_SHARE)
    plan = [hostile[number % len(hostile)] for number in range(count)]
    plan += [honest[number % len(honest)] for number in range(jobs - count)]
    chance.shuffle(plan)
    wrong: list[Json] = []
    resident: list[float] = []
    began = time.monotonic()
    judge = process()
    before = _open_things(judge)
    elsewhere = _elsewhere()
    for number, case in enumerate(plan):
        folder = scratch / str(number)
        folder.mkdir()
        fault = case.run(number, folder)
        remove(folder)
        faults = [] if fault is None else [fault]
        if process() != judge:
            faults.append("the process that judges has died")
            judge = process()
        for one in faults:
            wrong.append(f"{number} {case.name}: {one}")
            print(f"\r{wrong[-1]}", file=sys.stderr)
        resident.append(_resident_mib(judge))
        print(f"\r{number + 1}/{jobs}, {len(wrong)} wrong", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    after = _open_things(judge)
    files = [str(one) for one in scratch.iterdir()] + sorted(_elsewhere() - elsewhere)
    processes = len(descendants(judge)) + len(_processes_of_this_run())
    part = max(1, len(resident) // 5)
    growth = statistics.mean(resident[-part:]) - statistics.mean(resident[:part])
    sound = not wrong and not files and processes == 0 and before == after and growth < ALLOWED_GROWTH_MIB
    kinds: dict[str, Json] = dict(Counter(one.name for one in plan))
    left: list[Json] = list(files)
    return {
        "jobs": jobs,
        "hostile": count,
        "kinds": kinds,
        "wrong": wrong,
        "processesLeft": processes,
        "filesLeft": left,
        "descriptorsAndMounts": [list(before), list(after)],
        "residentMiB": {
            "first": round(statistics.mean(resident[:part]), 2),
            "last": round(statistics.mean(resident[-part:]), 2),
            "growth": round(growth, 2),
        },
        "seconds": round(time.monotonic() - began, 1),
        "sound": sound,
    }


def cases() -> list[Case]:
    """The mix: every honest kind is checked by its value, every hostile one by how it was ended."""
    return [
        *(Case(name, False, partial(_honest, task, expected)) for name, task, expected in HONEST),
        *(Case(name, True, partial(_hostile, task, ends)) for name, task, ends in HOSTILE),
        Case("tensors through the exchange", False, _exchanged),
    ]


def candidates(worker: Worker, device: Device) -> list[Case]:
    """The red team's files, as far as this device runs them."""

    def judge(case: redteam.Case, _: int, __: Path) -> str | None:
        found = worker.judge(case.source, case.problem.read_text(encoding="utf-8"))
        said = redteam.verdict_of(case, found, device)
        return None if said in ("OK", "harmless", "differs") else f"{found.status}: {found.evidence}"

    files = [one for one in redteam.read_cases() if redteam.can_run(one, device)]
    return [Case(one.path.stem, one.row > 0, partial(judge, one)) for one in files]


# --- honest jobs -----------------------------------------------------------------------------------------------------


def _honest(task: Callable[[int], Json], expected: Callable[[int], Json], number: int, folder: Path) -> str | None:
    limits = Limits(60, memory_bytes=2048 * MIB, processes=128)
    end = run_child(lambda _: task(number), folder=folder / "own", limits=limits, fences=Fences())
    return None if end.value == expected(number) else f"{expected(number)} was due: {end}"


def _exchanged(number: int, folder: Path) -> str | None:
    """Inputs in, outputs out, as judge and candidate do it, over shared memory where there is some."""
    import torch

    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else folder
    exchange = Path(tempfile.mkdtemp(prefix=f"{MARK}-", dir=parent))
    try:
        values = torch.arange(number % 50 + 2, dtype=torch.float32)
        write_values(exchange / "inputs", [values])

        def task(_: Channel) -> Json:
            inputs = read_values(exchange / "inputs")
            assert isinstance(inputs, list)
            return write_values(exchange / "outputs", [inputs[0] * 2])

        fences = Fences(writable=(exchange,))
        end = run_child(task, folder=folder / "own", limits=Limits(60, memory_bytes=2048 * MIB), fences=fences)
        outputs = read_values(exchange / "outputs") if end.kind == "returned" else None
        right = isinstance(outputs, list) and bool(torch.equal(outputs[0], values * 2))
        return None if right else f"the wrong tensor: {end}"
    finally:
        remove(exchange)


def _product(number: int) -> Json:
    import torch

    torch.set_num_threads(2)
    ones = torch.full((128, 128), float(number % 7))
    return float((ones @ ones)[0, 0])


def _softmax(number: int) -> Json:
    import torch

    return round(float(torch.softmax(torch.arange(number % 30 + 1, dtype=torch.float64), 0).sum()), 9)


def _written(number: int) -> Json:
    Path("note").write_text(str(number))
    return int(Path("note").read_text())


HONEST: list[tuple[str, Callable[[int], Json], Callable[[int], Json]]] = [
    ("a product on two threads", _product, lambda number: float(128 * (number % 7) ** 2)),
    ("a softmax", _softmax, lambda _: 1.0),
    ("a file in its folder", _written, lambda number: number),
]


# --- hostile jobs ----------------------------------------------------------------------------------------------------


def _hostile(task: Callable[[], Json], ends: str, number: int, folder: Path) -> str | None:
    """`ends`: how such a job may be accounted for, of "returned raised exited signalled timeout excess"."""

    def life(_: Channel) -> Json:
        ctypes.CDLL(None).prctl(15, MARK.encode())
        for place in (SHARED_MEMORY, Path("/tmp")):
            with suppress(OSError):
                (place / f"{MARK}-{number}").write_text("left behind")
        return task()

    limits = Limits(2, memory_bytes=256 * MIB, processes=48, file_bytes=16 * MIB, disk_bytes=64 * MIB)
    end = run_child(life, folder=folder / "own", limits=limits, fences=Fences())
    return None if _kind(end) in ends.split() else f"one of {ends} was due: {end}"


def _kind(end: ChildEnd) -> str:
    return "excess" if end.excess is not None else end.kind


def _hang() -> Json:
    for number in range(1, signal.NSIG):
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass


def _stop() -> Json:
    os.kill(os.getpid(), signal.SIGSTOP)
    return None


def _fault() -> Json:
    return ctypes.string_at(8).decode()


def _abort() -> Json:
    os.abort()


def _vanish() -> Json:
    os._exit(0)


def _take_memory() -> Json:
    kept = []
    while True:
        kept.append(bytearray(b"x") * (32 * MIB))


def _take_memory_together() -> Json:
    for _ in range(20):
        if os.fork() == 0:
            break
    kept = bytearray(b"x") * (100 * MIB)
    time.sleep(600)
    return len(kept)


def _fork_on() -> Json:
    while True:
        with suppress(OSError):
            os.fork()


def _thread_on() -> Json:
    waiting = threading.Event()
    while True:
        threading.Thread(target=waiting.wait, daemon=True).start()


def _fill_disk() -> Json:
    number = 0
    while True:
        Path(f"file-{number}").write_bytes(b"x" * (8 * MIB))
        number += 1


def _fill_disk_without_names() -> Json:
    number = 0
    while True:
        descriptor = os.open("file", os.O_CREAT | os.O_WRONLY)
        Path("file").unlink()
        os.write(descriptor, b"x" * (8 * MIB))
        number += 1


def _dig() -> Json:
    while True:
        Path("deeper").mkdir()
        os.chdir("deeper")


def _corrupt_heap() -> Json:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    for _ in range(64):
        ctypes.memset(ctypes.c_void_p(library.malloc(64)), 0x41, 1 << 16)
    for size in range(1, 4096):
        library.free(ctypes.c_void_p(library.malloc(size)))
    raise SystemExit(3)


def _flood() -> Json:
    block = b"x" * MIB
    while True:
        os.write(1, block)


def _leave_daemon() -> Json:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 64)
            while True:
                time.sleep(600)
        os._exit(0)
    return "innocent"


def _close_everything() -> Json:
    os.closerange(0, 64)
    time.sleep(600)
    return None


def _forge() -> Json:
    os.write(3, b"\xff\xff\xff\xff not a message")
    with suppress(OSError):
        os.write(4, b'{"status": 0}\n')
    time.sleep(600)
    return None


def _kill_everybody() -> Json:
    for whom in (-1, 1, os.getppid()):
        with suppress(OSError):
            os.kill(whom, signal.SIGKILL)
    time.sleep(600)
    return None


HOSTILE: list[tuple[str, Callable[[], Json], str]] = [
    ("hangs", _hang, "timeout"),
    ("stops itself", _stop, "timeout"),
    ("faults", _fault, "signalled"),
    ("aborts", _abort, "signalled"),
    ("vanishes", _vanish, "exited"),
    ("takes memory", _take_memory, "raised signalled excess"),
    ("takes memory in many processes", _take_memory_together, "excess timeout"),
    ("forks on", _fork_on, "timeout excess"),
    ("starts threads on", _thread_on, "raised timeout excess signalled"),
    ("fills the disk", _fill_disk, "excess"),
    ("fills the disk without names", _fill_disk_without_names, "excess"),
    ("digs", _dig, "excess raised timeout"),
    ("corrupts the heap", _corrupt_heap, "signalled raised exited"),
    ("floods its output", _flood, "signalled raised excess timeout"),
    ("leaves a daemon", _leave_daemon, "returned"),
    ("closes everything", _close_everything, "timeout"),
    ("forges messages", _forge, "signalled exited"),
    ("kills everybody", _kill_everybody, "timeout signalled"),
]


# --- what is left ----------------------------------------------------------------------------------------------------


def _open_things(process: int) -> tuple[int, int]:
    """How many descriptors and mounts a process has."""
    mounts = Path(f"/proc/{process}/mountinfo").read_text().count("\n")
    return len(list(Path(f"/proc/{process}/fd").iterdir())), mounts


def _elsewhere() -> set[str]:
    """What jobs of kval's have in places that everybody may write to."""
    places = ((SHARED_MEMORY, "kval-*"), (SHARED_MEMORY, f"*{MARK}*"), (Path("/tmp"), f"*{MARK}*"))
    return {str(one) for place, names in places for one in place.glob(names)}


def _processes_of_this_run() -> list[int]:
    found = []
    for name in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if name.read_text().strip() == MARK:
                found.append(int(name.parent.name))
    return found


def _resident_mib(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


if __name__ == "__main__":
    main()
