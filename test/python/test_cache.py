"""The build cache: whole entries or none, whoever writes, whoever dies, whatever is pruned meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from kval_harness.build.cache import BuildCache, cache_key
from kval_harness.build.spec import ExtensionSpec, load_inline_spec
from kval_harness.build.toolchain import Toolchain
from kval_harness.outcome import InstrumentError

BOUND = 10**9
fork = multiprocessing.get_context("fork")


def _library(folder: Path, size: int = 1000, fill: bytes = b"x") -> Path:
    file = folder / "made.so"
    file.write_bytes(fill * size)
    return file


def _key(number: int) -> str:
    return f"{number:064x}"


def test_what_was_put_is_found(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    cache.put(_key(1), {"exports": ["f"]}, _library(tmp_path))
    cache.put(_key(2), {"failure": "nvcc says no"}, None)
    with cache.use(_key(1)) as entry:
        assert entry is not None and entry.record == {"exports": ["f"]}
        assert entry.library is not None and entry.library.read_bytes() == b"x" * 1000
    with cache.use(_key(2)) as entry:
        assert entry is not None and entry.library is None
    with cache.use(_key(3)) as entry:
        assert entry is None


def test_it_shows_and_clears(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    assert cache.show().entries == 0 and cache.show().oldest_s is None
    cache.put(_key(1), {}, _library(tmp_path))
    cache.put(_key(2), {}, None)
    shown = cache.show()
    assert (shown.entries, shown.libraries, shown.drafts) == (2, 1, 0) and shown.bytes > 1000
    assert cache.clear() == shown.bytes
    assert cache.show().entries == 0


def test_the_first_writer_wins(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    cache.put(_key(1), {"who": "first"}, None)
    cache.put(_key(1), {"who": "second"}, None)
    with cache.use(_key(1)) as entry:
        assert entry is not None and entry.record == {"who": "first"}
    assert cache.show().drafts == 0


@pytest.mark.parametrize("damage", ["cut the library", "cut the record", "no library", "another key"])
def test_a_damaged_entry_counts_as_absent_and_goes(damage: str, tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    cache.put(_key(1), {}, _library(tmp_path))
    with cache.use(_key(1)) as entry:
        assert entry is not None and entry.library is not None
        folder = entry.library.parent
    if damage == "cut the library":
        (folder / "library.so").write_bytes(b"x" * 10)
    elif damage == "cut the record":
        (folder / "record.json").write_text('{"format": 1, "key"')
    elif damage == "no library":
        (folder / "library.so").unlink()
    else:
        body = json.loads((folder / "record.json").read_text())
        (folder / "record.json").write_text(json.dumps(body | {"key": _key(2)}))
    with cache.use(_key(1)) as entry:
        assert entry is None
    cache.put(_key(1), {"again": True}, None)
    with cache.use(_key(1)) as entry:
        assert entry is not None and entry.record == {"again": True}


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    for number in range(10):
        cache.put(_key(number), {}, _library(tmp_path, 10_000))
        record = tmp_path / "cache" / "builds" / "00" / _key(number) / "record.json"
        os.utime(record, (time.time() - 100 + number, time.time() - 100 + number))
    with cache.use(_key(0)):
        pass
    freed = cache.prune(55_000)
    assert freed > 40_000
    kept = {number for number in range(10) if _is_there(cache, number)}
    assert 0 in kept and kept == {0, *range(11 - len(kept), 10)}
    assert cache.prune(55_000) == 0


def test_the_bound_holds_while_it_is_written_to(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", 50_000)
    for number in range(70):
        cache.put(_key(number), {}, _library(tmp_path, 10_000))
    assert cache.show().bytes < 50_000 + 33 * 11_000
    assert BuildCache(tmp_path / "cache", 50_000).prune() > 0
    assert cache.show().bytes <= 50_000


def test_an_entry_in_use_is_not_pruned(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    cache.put(_key(1), {}, _library(tmp_path))
    cache.put(_key(2), {}, _library(tmp_path))
    with cache.use(_key(1)) as entry:
        assert entry is not None and entry.library is not None
        pruner = fork.Process(target=BuildCache(tmp_path / "cache", BOUND).prune, args=(0,))
        pruner.start()
        pruner.join(20)
        assert pruner.exitcode == 0
        assert entry.library.exists()
        assert not _is_there(cache, 2)
    assert cache.prune(0) > 0
    assert not _is_there(cache, 1)


def test_many_processes_write_read_and_prune_at_once(tmp_path: Path) -> None:
    def live(seed: int) -> None:
        cache = BuildCache(tmp_path / "cache", 60_000)
        mine = tmp_path / str(seed)
        mine.mkdir()
        for turn in range(60):
            number = (turn * 7 + seed) % 12
            with cache.use(_key(number)) as entry:
                if entry is not None:
                    assert entry.record == {"number": number}
                    assert entry.library is not None and entry.library.read_bytes() == bytes([number]) * 10_000
                    continue
            cache.put(_key(number), {"number": number}, _library(mine, 10_000, bytes([number])))
            if turn % 20 == seed:
                cache.prune()

    processes = [fork.Process(target=live, args=(seed,)) for seed in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert BuildCache(tmp_path / "cache", 60_000).show().drafts == 0


def test_a_killed_writer_leaves_no_half_entry_and_its_draft_is_swept(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        cache = BuildCache(tmp_path / "cache", BOUND)
        number = 0
        while True:
            number += 1
            cache.put(_key(number), {"number": number}, _library(folder, 3_000_000))

    for attempt in range(8):
        folder = tmp_path / f"writer-{attempt}"
        folder.mkdir()
        writer = fork.Process(target=write, args=(folder,))
        writer.start()
        time.sleep(0.05 + attempt * 0.013)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        cache = BuildCache(tmp_path / "cache", BOUND)
        for listed in (tmp_path / "cache" / "builds").glob("*/*"):
            with cache.use(listed.name) as entry:
                assert entry is not None and entry.library is not None and entry.library.stat().st_size == 3_000_000
        cache.clear()
    for draft in (tmp_path / "cache" / "drafts").iterdir():
        os.utime(draft, (time.time() - 1000, time.time() - 1000))
    cache.prune()
    assert cache.show().drafts == 0


def test_a_living_writers_draft_is_left_alone(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache", BOUND)
    with cache._draft() as draft:
        os.utime(draft, (time.time() - 1000, time.time() - 1000))
        BuildCache(tmp_path / "cache", BOUND).prune()
        assert draft.exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InstrumentError, match="cannot be written"):
        BuildCache(tmp_path / "file", BOUND).put(_key(1), {}, None)


def test_a_full_disk_is_the_instruments_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kval_harness.build.cache.shutil.copyfile", full)
    with pytest.raises(InstrumentError) as failed:
        BuildCache(tmp_path / "cache", BOUND).put(_key(1), {}, _library(tmp_path))
    assert failed.value.code == "disk-full" and failed.value.retry
    assert BuildCache(tmp_path / "cache", BOUND).show().drafts == 0


TOOLCHAIN = Toolchain(
    nvcc=Path("/cuda/bin/nvcc"),
    nvcc_version="13.0.88",
    cuda_home=Path("/cuda"),
    cxx="c++",
    cxx_version="12.2.0",
    torch_version="2.11.0",
    torch_cuda="13.0",
    torch_root=Path("/torch"),
    python_include=Path("/python"),
    python_version="3.11.7",
    arch="sm_90",
)


def test_keys_follow_everything_that_changes_a_build() -> None:
    spec = load_inline_spec("x", "int f();", "// cuda", functions=["f"])
    key = cache_key(spec, TOOLCHAIN, "stock")
    assert key == cache_key(ExtensionSpec.from_json(spec.to_json()), TOOLCHAIN, "stock")
    others = [
        cache_key(load_inline_spec("y", "int f();", "// cuda", functions=["f"]), TOOLCHAIN, "stock"),
        cache_key(load_inline_spec("x", "int g();", "// cuda", functions=["f"]), TOOLCHAIN, "stock"),
        cache_key(load_inline_spec("x", "int f();", "// Cuda", functions=["f"]), TOOLCHAIN, "stock"),
        cache_key(load_inline_spec("x", "int f();", "// cuda", functions={"f": "doc"}), TOOLCHAIN, "stock"),
        cache_key(
            load_inline_spec("x", "int f();", "// cuda", functions=["f"], extra_cflags=["-O3"]), TOOLCHAIN, "stock"
        ),
        cache_key(spec, replace(TOOLCHAIN, arch="sm_80"), "stock"),
        cache_key(spec, replace(TOOLCHAIN, nvcc_version="13.1.0"), "stock"),
        cache_key(spec, replace(TOOLCHAIN, torch_version="2.12.0"), "stock"),
        cache_key(spec, replace(TOOLCHAIN, cxx_version="13.1.0"), "stock"),
        cache_key(spec, TOOLCHAIN, "fast"),
        cache_key(spec, TOOLCHAIN, "fast", "2"),
    ]
    assert len({key, *others}) == len(others) + 1
    assert key == cache_key(spec, replace(TOOLCHAIN, cuda_home=Path("/elsewhere")), "stock")


def _is_there(cache: BuildCache, number: int) -> bool:
    with cache.use(_key(number)) as entry:
        return entry is not None
