"""Attacks from inside a contained child, each really made: on files, processes, the network, the kernel, the machine.

Every one runs behind both kinds of walls: all fences, and Landlock with the filter on system calls alone, as where a
container allows no namespaces.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import json
import mmap
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import kval_harness.forked
import kval_harness.sandbox
import pytest
from kval_harness.contain import Channel, ChildEnd, Fences, Json, Limits, SandboxMissing, isolation, run_child
from kval_harness.landlock import landlock_abi
from kval_harness.seccomp import ARCHITECTURES, CALLS, REFUSED, filter_program
from kval_harness.tensors import NotTensors, read_values
from kval_harness.usage import descendants, folder_bytes, remove

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = ("userNamespaces", "networkNamespaces", "mountNamespaces", "pidNamespaces")
LIBC = ctypes.CDLL(None, use_errno=True)
MIB = 1 << 20


@pytest.fixture(params=["namespaces", "landlock"])
def walls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    there = isolation()
    if request.param == "namespaces":
        if not all(there[one] for one in (*NAMESPACES, "seccomp")):
            pytest.skip(f"this machine has not all fences: {there}")
    else:
        if not (there["landlock"] and there["seccomp"]):
            pytest.skip(f"this machine has no Landlock: {there}")
        _pretend(monkeypatch, there | dict.fromkeys(NAMESPACES, False))
    return str(request.param)


def _pretend(monkeypatch: pytest.MonkeyPatch, there: dict[str, bool]) -> None:
    for module in ("sandbox", "forked", "contain"):
        monkeypatch.setattr(f"kval_harness.{module}.isolation", lambda: there)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """The child's own folder, with an exchange, something to read, and a neighbour's secret beside it."""
    for name in ("own", "exchange", "library", "other", "store"):
        (tmp_path / name).mkdir()
    (tmp_path / "library" / "fact").write_text("for all to see")
    (tmp_path / "other" / "candidate.py").write_text("someone else's work")
    (tmp_path / "store" / "labels.db").write_text("every verdict")
    yield tmp_path
    assert descendants(os.getpid()) == []


def attack(place: Path, task: Callable[[Channel], Json], wall_s: float = 30.0, **limits: int) -> ChildEnd:
    fences = Fences(readable=(place / "library", place / "missing"), writable=(place / "exchange",))
    return run_child(task, folder=place / "own", limits=Limits(wall_s, **limits), fences=fences, sandbox="best-effort")


def tried(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError:
        return "refused"
    return "done"


def all_tried(acts: dict[str, Callable[[], object]]) -> Callable[[Channel], Json]:
    return lambda _: {name: tried(act) for name, act in acts.items()}


def names_in(folder: Path | str) -> list[str]:
    return sorted(one.name for one in Path(folder).iterdir())


def call(name: str, *arguments: int) -> int:
    """A system call by number, with the C library out of the way."""
    column = ARCHITECTURES[os.uname().machine][1]
    number = (REFUSED | CALLS)[name][column]
    assert number is not None
    result = LIBC.syscall(number, *(ctypes.c_long(one) for one in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return int(result)


# --- files -----------------------------------------------------------------------------------------------------------


def test_it_reads_and_writes_what_it_was_given(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        Path("result").write_text("mine")
        (place / "exchange" / "outputs").write_text("for the judge")
        Path(os.environ["TMPDIR"], "scratch").write_text("x")
        Path("/dev/null").write_text("x")
        return (place / "library" / "fact").read_text()

    end = attack(place, task)
    assert end.value == "for all to see", end
    assert (place / "exchange" / "outputs").read_text() == "for the judge"
    assert (place / "own" / "result").read_text() == "mine"


def test_it_sees_no_store_no_neighbour_and_no_home(walls: str, place: Path) -> None:
    secrets = [
        place / "store" / "labels.db",
        place / "other" / "candidate.py",
        Path("/etc/hostname"),
        Path("/etc/shadow"),
        ROOT / "package.json",
        Path("/proc/1/environ"),
        Path("/proc/kcore"),
        Path("/proc/kmsg"),
    ]
    folders = [place, place / "store", place / "other", Path("/var"), Path("/run"), Path("/home"), Path("/opt")]
    acts: dict[str, Callable[[], object]] = {f"read {one}": one.read_bytes for one in secrets if one.exists()}
    acts |= {f"list {one}": partial(names_in, one) for one in folders if one.exists()}
    end = attack(place, all_tried(acts))
    assert isinstance(end.value, dict), end
    names = {name for name, how in end.value.items() if how == "done"}
    # The way to its own folder may be listed: nothing is on it but what it was given.
    assert names <= {f"list {place}"}, names
    if names:
        listed = attack(place, lambda _: " ".join(names_in(place))).value
        assert listed == "exchange library own"


def test_the_way_up_from_its_own_folder_leads_nowhere(walls: str, place: Path) -> None:
    steps = "../" * 30

    def climb() -> None:
        Path(f"{steps}{place / 'store' / 'labels.db'}").read_text()

    def follow() -> None:
        Path("link").symlink_to(place / "store" / "labels.db")
        Path("link").read_text()

    def link() -> None:
        os.link(place / "store" / "labels.db", "hard")

    def root() -> None:
        Path(f"/proc/1/root/{place}/store/labels.db").read_text()

    end = attack(place, all_tried({"climb": climb, "follow": follow, "link": link, "root": root}))
    assert end.value == dict.fromkeys(("climb", "follow", "link", "root"), "refused")


def test_it_writes_nowhere_else(walls: str, place: Path) -> None:
    targets = [
        place / "library" / "fact",
        place / "library" / "new",
        place / "store" / "labels.db",
        place / "new",
        Path("/usr/new"),
        Path("/etc/passwd"),
        Path(sys.prefix, "new"),
        Path(kval_harness.forked.__file__),
        Path("/proc/sys/kernel/core_pattern"),
        Path("/proc/sysrq-trigger"),
        Path("/proc/self/oom_score_adj"),
        Path("/sys/devices/system/cpu/new"),
    ]
    acts: dict[str, Callable[[], object]] = {str(one): partial(one.write_text, "0") for one in targets}
    acts["chmod"] = lambda: (place / "library" / "fact").chmod(0o777)
    acts["remove"] = (place / "library" / "fact").unlink
    acts["rename"] = lambda: (place / "own").rename(place / "exchange" / "moved")
    end = attack(place, all_tried(acts))
    assert isinstance(end.value, dict), end
    done = {name for name, how in end.value.items() if how == "done"}
    # A new name beside its own folder, or beside Python where that lies in /tmp, is in its view only, in memory; and
    # Landlock does not know chmod.
    new = [place / "new", Path(sys.prefix, "new")]
    assert done <= ({"chmod"} if walls == "landlock" else {str(one) for one in new}), done
    assert not any(one.exists() for one in new)
    assert (place / "library" / "fact").read_text() == "for all to see"


def test_what_it_leaves_in_the_place_of_a_file_is_not_followed(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        for name in ("stdout", "stderr"):
            Path(name).unlink()
        Path("stdout").symlink_to(place / "store" / "labels.db")
        os.mkfifo("stderr")
        (place / "exchange" / "outputs").symlink_to(place / "store" / "labels.db")
        os.mkfifo(place / "exchange" / "pipe")
        (place / "exchange" / "folder").mkdir()
        return None

    assert attack(place, task).kind == "returned"
    for name in ("outputs", "pipe", "folder"):
        with pytest.raises((NotTensors, OSError)):
            read_values(place / "exchange" / name)
    again = attack(place, lambda _: os.write(1, b"plain\n"))
    assert again.stdout == "plain\n"
    assert (place / "store" / "labels.db").read_text() == "every verdict"


# --- other processes -------------------------------------------------------------------------------------------------


def test_it_cannot_look_into_other_processes_or_touch_them(walls: str, place: Path) -> None:
    parent, grandparent = os.getpid(), os.getppid()

    def task(_: Channel) -> Json:
        found: dict[str, Json] = {}
        for process in (parent, grandparent, os.getppid(), 1):
            for what in ("mem", "environ", "fd/0", "fd/1", "maps", "cwd", "root", "exe"):
                path = f"/proc/{process}/{what}"
                found[f"{process} {what}"] = tried(partial(os.open, path, os.O_RDONLY))
            found[f"{process} ptrace"] = tried(partial(call, "ptrace", 16, process, 0, 0))
            found[f"{process} vm"] = tried(partial(call, "process_vm_readv", process, 0, 0, 0, 0, 0))
            found[f"{process} pidfd"] = tried(partial(call, "pidfd_getfd", process, 0, 0))
        for process in (parent, grandparent):
            found[f"{process} kill"] = tried(partial(os.kill, process, signal.SIGKILL))
        return found

    end = attack(place, task)
    assert isinstance(end.value, dict), end
    assert {name for name, how in end.value.items() if how == "done"} == set()


def test_there_is_nobody_else_in_its_process_table(walls: str, place: Path) -> None:
    if walls == "landlock":
        pytest.skip("Landlock closes /proc but cannot empty it")
    end = attack(place, lambda _: [one for one in names_in("/proc") if one.isdigit()])
    assert end.value == ["1", "2"]


def test_a_signal_to_everybody_reaches_nobody(walls: str, place: Path) -> None:
    if walls == "landlock" and landlock_abi() < 6:
        pytest.skip("this Landlock knows no signals")
    bystander = subprocess.Popen(["sleep", "600"])

    def task(_: Channel) -> Json:
        for who in (-1, 0, 1, os.getppid()):
            tried(partial(os.kill, who, signal.SIGTERM if who == 0 else signal.SIGKILL))
        return "alive"

    def deaf(channel: Channel) -> Json:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return task(channel)

    assert attack(place, deaf).value == "alive"
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_it_has_no_descriptor_but_its_line(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        numbers: list[Json] = [int(one) for one in names_in("/proc/self/fd")[:-1]]
        return [numbers, tried(lambda: os.write(4, b"{}\n"))]

    assert attack(place, task).value == [[0, 1, 2, 3], "refused"]


# --- the network -----------------------------------------------------------------------------------------------------


def test_it_reaches_no_server_and_no_socket_of_this_machine(walls: str, place: Path) -> None:
    name = b"\0kval-" + os.urandom(8).hex().encode()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        with socket.socket(socket.AF_UNIX) as lying:
            lying.bind(str(place / "other" / "socket"))
            lying.listen()
            port = server.getsockname()[1]
            acts: dict[str, Callable[[], object]] = {
                "tcp": lambda: socket.create_connection(("127.0.0.1", port), timeout=2),
                "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
                "ipv6": lambda: socket.socket(socket.AF_INET6),
                "raw": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
                "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
                "vsock": lambda: socket.socket(socket.AF_VSOCK),
                "alg": lambda: socket.socket(socket.AF_ALG),
                "abstract": lambda: socket.socket(socket.AF_UNIX).connect(name),
                "path": lambda: socket.socket(socket.AF_UNIX).connect(str(place / "other" / "socket")),
            }
            end = attack(place, all_tried(acts))
    assert end.value == dict.fromkeys(acts, "refused"), end
    assert attack(place, lambda _: len(socket.socketpair())).value == 2


# --- the kernel ------------------------------------------------------------------------------------------------------


def test_every_refused_call_is_refused(walls: str, place: Path) -> None:
    column = ARCHITECTURES[os.uname().machine][1]
    names = [name for name, numbers in REFUSED.items() if numbers[column] is not None]

    def task(_: Channel) -> Json:
        found: dict[str, Json] = {}
        for name in names:
            ctypes.set_errno(0)
            try:
                call(name, 0, 0, 0, 0, 0, 0)
                found[name] = 0
            except OSError as error:
                found[name] = error.errno
        return found

    assert attack(place, task).value == dict.fromkeys(names, errno.EPERM)


def test_it_makes_no_namespace_and_gains_no_right(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        new_user = tried(lambda: call("clone", 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0))
        try:
            call("clone3", 0, 0)
            other = 0
        except OSError as error:
            other = error.errno or 0
        status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
        ids = tried(lambda: os.setuid(12345))
        facts: list[Json] = [status[one].strip() for one in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")]
        return [new_user, other == errno.ENOSYS, ids, facts]

    nothing = "0" * 16
    end = attack(place, task)
    assert isinstance(end.value, list), end
    *refused, facts = end.value
    assert refused == ["refused", True, "refused"]
    assert isinstance(facts, list) and facts[:2] == [nothing, nothing] and facts[3:] == ["1", "2"]
    if walls == "namespaces" or os.geteuid() == 0:
        assert facts[2] == nothing


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_by_its_own_instructions(machine: str) -> None:
    """On both architectures, also the one that this is not: the program is run here, instruction by instruction."""
    audit, column = ARCHITECTURES[machine]
    refused, unknown, allowed, killed = 0x00050001, 0x00050026, 0x7FFF0000, 0x80000000
    program = filter_program(audit, column, unix_sockets=True)
    strict = filter_program(audit, column, unix_sockets=False)
    for numbers in REFUSED.values():
        number = numbers[column]
        if number is not None:
            assert judged(program, audit, number) == refused
    number_of = {name: numbers[column] or 0 for name, numbers in CALLS.items()}
    sockets = {family: judged(program, audit, number_of["socket"], family) for family in range(48)}
    assert [family for family, verdict in sockets.items() if verdict == allowed] == [socket.AF_UNIX]
    assert judged(strict, audit, number_of["socket"], socket.AF_UNIX) == refused
    assert judged(program, audit, number_of["clone"], 0x003D0F00) == allowed  # a thread
    for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert judged(program, audit, number_of["clone"], flag | signal.SIGCHLD) == refused
    assert judged(program, audit, number_of["clone3"]) == unknown
    assert judged(program, audit, number_of["ioctl"], 1, 0x5412) == refused
    assert judged(program, audit, number_of["ioctl"], 1, 0x5401) == allowed
    assert judged(program, audit ^ 1, 0) == killed
    usual = {"x86_64": range(24), "aarch64": range(61, 69)}[machine]
    assert {judged(program, audit, number) for number in usual if number != number_of["ioctl"]} == {allowed}
    if machine == "x86_64":
        assert judged(program, audit, 0x40000000 | 101) == refused


def judged(program: bytes, audit: int, number: int, first: int = 0, second: int = 0) -> int:
    """What a BPF program says to a call: as the kernel's interpreter does, for the instructions that we use."""
    data = struct.pack("=iIQQQQQQQ", number, audit, 0, first, second, 0, 0, 0, 0)
    accumulator = place = 0
    while True:
        code, yes, no, value = struct.unpack_from("HBBI", program, place * 8)
        place += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            place += yes if holds else no


# --- the machine's resources -----------------------------------------------------------------------------------------


def test_a_fork_bomb_is_bounded(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)

    end = attack(place, task, wall_s=2, processes=40)
    assert end.kind == "timeout" or (end.excess is not None and "processes" in end.excess), end


def test_a_bomb_of_threads_is_bounded(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        event = threading.Event()
        for _number in range(400):
            threading.Thread(target=event.wait, daemon=True).start()
        event.wait()
        return None

    end = attack(place, task, wall_s=10, processes=40)
    assert end.excess is not None or end.error_type == "RuntimeError", end


def test_memory_in_many_processes_counts_together(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        for _number in range(6):
            if os.fork() == 0:
                break
        kept = bytearray(os.urandom(1)) * (60 * MIB)
        time.sleep(600)
        return len(kept)

    end = attack(place, task, memory_bytes=200 * MIB)
    assert end.excess is not None and "memory" in end.excess, end
    assert (end.kind, end.signal) == ("signalled", signal.SIGKILL)


def test_shared_memory_counts(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        shared = mmap.mmap(-1, 1024 * MIB)
        for start in range(0, 1024 * MIB, MIB):
            shared[start : start + MIB] = b"x" * MIB
        time.sleep(600)
        return None

    end = attack(place, task, memory_bytes=200 * MIB)
    assert end.excess is not None and "memory" in end.excess, end


def test_memory_that_processes_only_share_counts_once(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        kept = bytearray(b"x") * (100 * MIB)
        family = []
        for _number in range(5):
            child = os.fork()
            if child == 0:
                time.sleep(1.5)
                os._exit(0)
            family.append(child)
        for child in family:
            os.waitpid(child, 0)
        return len(kept)

    assert attack(place, task, memory_bytes=300 * MIB).value == 100 * MIB


def fill(number: int) -> None:
    Path(f"file-{number}").write_bytes(b"x" * MIB)


def fill_exchange(place: Path, number: int) -> None:
    (place / "exchange" / f"file-{number}").write_bytes(b"x" * MIB)


def fill_nameless(number: int) -> None:
    descriptor = os.open(f"gone-{number}", os.O_CREAT | os.O_RDWR)
    Path(f"gone-{number}").unlink()
    os.write(descriptor, b"x" * MIB)


def fill_memory_file(number: int) -> None:
    os.write(os.memfd_create(f"file-{number}"), b"x" * MIB)


def dig(_: int) -> None:
    Path("deeper").mkdir()
    os.chdir("deeper")


@pytest.mark.parametrize("how", ["files", "exchange", "deleted files", "memory files", "folders in folders"])
def test_the_disk_is_bounded(walls: str, place: Path, how: str) -> None:
    step: dict[str, Callable[[int], None]] = {
        "files": fill,
        "exchange": lambda number: fill_exchange(place, number),
        "deleted files": fill_nameless,
        "memory files": fill_memory_file,
        "folders in folders": dig,
    }

    def task(_: Channel) -> Json:
        for number in range(400):
            step[how](number)
        time.sleep(600)
        return None

    end = attack(place, task, file_bytes=4 * MIB, disk_bytes=64 * MIB)
    assert end.excess is not None and "disk" in end.excess, end
    remove(place / "own")
    assert not (place / "own").exists()


def test_its_private_folders_are_bounded(walls: str, place: Path) -> None:
    if walls == "landlock":
        pytest.skip("Landlock gives no private folders: TMPDIR is its own folder")

    def task(_: Channel) -> Json:
        said: list[Json] = []
        for folder in ("/tmp", "/dev/shm"):
            given = {*place.parts, *Path(sys.prefix).parts}
            said.append([one for one in names_in(folder) if one not in given])
            try:
                for number in range(400):
                    Path(folder, f"file-{number}").write_bytes(b"x" * MIB)
                said.append("unbounded")
            except OSError as error:
                said.append(error.errno)
        return said

    assert attack(place, task).value == [[], errno.ENOSPC, [], errno.ENOSPC]


def test_what_it_leaves_can_be_deleted(tmp_path: Path) -> None:
    """Deeper than a path may be long, forbidden, and full of links to what is not its own."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("precious")
    left = tmp_path / "left"
    left.mkdir()
    here = os.open(left, os.O_RDONLY)
    for _ in range(700):
        os.mkdir("deeper", dir_fd=here)
        os.symlink(kept, "link", dir_fd=here)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    (left / "forbidden").mkdir()
    (left / "forbidden" / "file").touch()
    (left / "forbidden").chmod(0)
    assert folder_bytes((left,), 1 << 40) is None
    remove(left)
    assert not left.exists()
    assert (kept / "file").read_text() == "precious"


def test_a_child_that_stops_itself_meets_its_deadline(walls: str, place: Path) -> None:
    end = attack(place, lambda _: os.kill(os.getpid(), signal.SIGSTOP), wall_s=1)
    assert end.kind == "timeout"


def test_a_daemon_is_not_left_behind(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 64)
                time.sleep(600)
            os._exit(0)
        os.wait()
        return "innocent"

    assert attack(place, task).value == "innocent"  # and see `place`


# --- honest work -----------------------------------------------------------------------------------------------------


def test_torch_computes_on_several_threads_behind_the_fences(walls: str, place: Path) -> None:
    import torch

    def task(_: Channel) -> Json:
        torch.set_num_threads(2)
        importlib.import_module("torch.utils.cpp_extension")  # what is imported only now is there too
        numbers = torch.arange(512 * 512, dtype=torch.float32).reshape(512, 512) % 7
        total = (numbers @ numbers).sum()
        torch.save(numbers, place / "exchange" / "outputs")
        return float(total)

    end = attack(place, task, memory_bytes=4096 * MIB, processes=256)
    numbers = torch.arange(512 * 512, dtype=torch.float32).reshape(512, 512) % 7
    assert end.value == pytest.approx(float((numbers @ numbers).sum())), end
    assert torch.equal(torch.load(place / "exchange" / "outputs"), numbers)


def test_a_library_in_its_own_folder_loads(walls: str, place: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = place / "library" / "one.c"
    source.write_text("int one(void) { return 41 + 1; }\n")
    for folder in ("own", "library"):
        target = str(place / folder / "one.so")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", target, str(source)], check=True)

    def task(_: Channel) -> Json:
        return [ctypes.CDLL(str(path)).one() for path in (Path("one.so").resolve(), place / "library" / "one.so")]

    assert attack(place, task).value == [42, 42]


def test_a_program_can_be_started(walls: str, place: Path) -> None:
    def task(_: Channel) -> Json:
        return subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout

    assert attack(place, task).value == "42\n"


# --- what was asked for is what one gets -----------------------------------------------------------------------------


def test_the_report_of_fences_names_each() -> None:
    assert set(isolation()) == {*NAMESPACES, "landlock", "seccomp", "subreaper"}


@pytest.mark.parametrize("missing", ["userNamespaces", "networkNamespaces", "mountNamespaces", "pidNamespaces"])
def test_required_fences_that_are_missing_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str
) -> None:
    everything = dict.fromkeys((*NAMESPACES, "landlock", "seccomp", "subreaper"), True)
    _pretend(monkeypatch, everything | {missing: False, "landlock": False})
    with pytest.raises(SandboxMissing, match=missing):
        run_child(_touch, folder=tmp_path / "work", limits=Limits(20), sandbox="required")
    assert not (tmp_path / "work" / "ran").exists()


def test_the_filter_is_never_done_without_when_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    everything = dict.fromkeys((*NAMESPACES, "landlock", "subreaper"), True)
    _pretend(monkeypatch, everything | {"seccomp": False})
    with pytest.raises(SandboxMissing, match="CONFIG_SECCOMP_FILTER"):
        run_child(_touch, folder=tmp_path / "work", limits=Limits(20), sandbox="required")


@pytest.mark.parametrize("step", ["enter_namespaces", "raise_fences"])
def test_a_fence_that_fails_now_stops_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str) -> None:
    def fail(*_: object) -> bool:
        raise OSError(errno.ENOSPC, "no more namespaces")

    monkeypatch.setattr(kval_harness.forked, step, fail)
    with pytest.raises(SandboxMissing, match="no more namespaces"):
        run_child(_touch, folder=tmp_path / "work", limits=Limits(20))
    assert not (tmp_path / "work" / "ran").exists()
    assert descendants(os.getpid()) == []


def _touch(_: Channel) -> Json:
    Path("ran").touch()
    return None


def test_off_is_off(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def task(_: Channel) -> Json:
            return tried(lambda: socket.create_connection(address, timeout=5))

        end = run_child(task, folder=tmp_path, limits=Limits(20), fences=Fences(), sandbox="off")
    assert end.value == "done"


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_gets_the_same_fences(tmp_path: Path) -> None:
    """In a Python that everybody may read, as the user nobody."""
    python = next((one for one in ("/usr/bin/python3", "/usr/local/bin/python3") if Path(one).exists()), None)
    script = f"""
import json, os, sys
from pathlib import Path
sys.path.insert(0, {str(ROOT / "cuda-harness")!r})
from kval_harness.contain import Fences, Limits, isolation, run_child
def task(_):
    found = []
    for path in ("/etc/hostname", {str(ROOT / "package.json")!r}):
        try:
            Path(path).read_text()
            found.append(path)
        except OSError:
            pass
    Path("mine").write_text("x")
    forks = 0
    try:
        while forks < 100:
            if os.fork() == 0:
                import time
                time.sleep(600)
            forks += 1
    except OSError:
        pass
    return [os.getuid(), found, forks < 100]
end = run_child(task, folder=Path(sys.argv[1]), limits=Limits(20, processes=32), fences=Fences(), sandbox="required")
print(json.dumps([isolation(), end.value, end.excess]))
"""
    if python is None:
        pytest.skip("no Python of the system")
    folder = Path("/dev/shm", f"kval-test-{os.urandom(4).hex()}")
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    try:
        done = subprocess.run(
            [python, "-c", script, str(folder / "own")],
            capture_output=True,
            text=True,
            user=65534,
            group=65534,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
        )
    finally:
        remove(folder)
    if "Permission denied" in done.stderr or "requires a different Python" in done.stderr:
        pytest.skip("this checkout is not for others to read")
    said = json.loads(done.stdout)
    assert said[0] == isolation(), done.stderr
    assert said[1] == [65534, [], True], said
