"""The GPU's dials, read through a library of the test's own."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from kval_harness.nvml import HARDWARE_THERMAL, POWER_CAP, Gauge, NoGauge, Reading


class Library:
    """The driver library's functions, as far as the gauge calls them; `missing` are not in this version."""

    def __init__(self, missing: tuple[str, ...] = (), knows: str = "GPU-1234") -> None:
        self.missing = missing
        self.knows = knows

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # functions of many forms
        values = {
            "nvmlDeviceGetPowerUsage": 512_345,
            "nvmlDeviceGetCurrentClocksEventReasons": POWER_CAP,
            "nvmlDeviceGetCurrentClocksThrottleReasons": HARDWARE_THERMAL,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetMemoryBusWidth": 6144,
        }
        if name in self.missing:
            raise AttributeError(name)
        if name == "nvmlInit_v2":
            return lambda: 0
        if name == "nvmlDeviceGetHandleByUUID":
            return lambda uuid, handle: 0 if uuid.decode() == self.knows else 6

        def read(gpu: object, *rest: Any) -> int:  # noqa: ANN401
            found = values.get(name)
            if name in ("nvmlDeviceGetClockInfo", "nvmlDeviceGetMaxClockInfo"):
                found = {1: 1980, 2: 3201}[rest[0]]
            if found is None:
                return 3
            ctypes.cast(rest[-1], ctypes.POINTER(ctypes.c_uint))[0] = found
            return 0

        return read


def test_a_reading() -> None:
    gauge = Gauge("1234", Library)
    assert gauge.read() == Reading(1980, 61, 512.345, POWER_CAP)
    assert not gauge.read().slowed
    assert gauge.bandwidth_bytes_per_s() == pytest.approx(4.917e12, rel=1e-3)
    assert gauge.read().to_json() == {"smMhz": 1980, "temperatureC": 61, "powerW": 512.345, "reasons": POWER_CAP}


def test_an_older_driver_has_another_name_and_a_small_one_fewer_dials() -> None:
    older = Gauge("GPU-1234", lambda: Library(("nvmlDeviceGetCurrentClocksEventReasons",)))
    assert older.read().reasons == HARDWARE_THERMAL and older.read().slowed
    few = Library(("nvmlDeviceGetTemperature", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetMemoryBusWidth"))
    reading = Gauge("1234", lambda: few).read()
    assert reading.temperature_c is None and reading.power_w is None and reading.sm_mhz == 1980
    assert Gauge("1234", lambda: few).bandwidth_bytes_per_s() is None


def test_where_there_is_no_driver_or_no_such_gpu_there_is_no_gauge() -> None:
    def nothing() -> None:
        raise OSError("cannot open shared object file")

    with pytest.raises(NoGauge, match="no NVIDIA driver library"):
        Gauge("1234", nothing)
    with pytest.raises(NoGauge, match="knows no GPU-9999"):
        Gauge("9999", Library)
