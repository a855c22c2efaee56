"""What the GPU says about its own clocks, read from outside the candidate's process through NVIDIA's driver library.

The library is loaded when it is first asked for and needs no CUDA context; where there is none, there are no readings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kval_harness.contain import Json

SM_CLOCK, MEMORY_CLOCK, GPU_TEMPERATURE = 1, 2, 0

POWER_CAP = 0x4
HARDWARE_SLOWDOWN = 0x8
SOFTWARE_THERMAL = 0x20
HARDWARE_THERMAL = 0x40
POWER_BRAKE = 0x80
# A power cap is how a large GPU works under load, and it meets candidate and reference alike; these are faults.
SLOWED = HARDWARE_SLOWDOWN | SOFTWARE_THERMAL | HARDWARE_THERMAL | POWER_BRAKE


@dataclass(frozen=True)
class Reading:
    """Megahertz, degrees Celsius, watts, and the driver's bits for why the clocks are not higher; None: not told."""

    sm_mhz: int | None
    temperature_c: int | None
    power_w: float | None
    reasons: int | None

    @property
    def slowed(self) -> bool:
        return self.reasons is not None and bool(self.reasons & SLOWED)

    def to_json(self) -> dict[str, Json]:
        return {
            "smMhz": self.sm_mhz,
            "temperatureC": self.temperature_c,
            "powerW": self.power_w,
            "reasons": self.reasons,
        }


class Gauge:
    """One GPU's dials. Raises NoGauge where the driver library, or this GPU in it, cannot be found.

    `uuid` is the GPU's, as `torch.cuda.get_device_properties(device).uuid` writes it, with or without "GPU-".
    """

    def __init__(self, uuid: str, load: Callable[[], Any] = lambda: ctypes.CDLL("libnvidia-ml.so.1")) -> None:
        try:
            self._library = load()
        except OSError as error:
            raise NoGauge(f"no NVIDIA driver library: {error}") from None
        if self._library.nvmlInit_v2() != 0:
            raise NoGauge("the NVIDIA driver does not answer")
        self._gpu = ctypes.c_void_p()
        name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        if self._library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(self._gpu)) != 0:
            raise NoGauge(f"the NVIDIA driver knows no {name}")

    def read(self) -> Reading:
        power_mw = self._number("nvmlDeviceGetPowerUsage")
        reasons = self._number("nvmlDeviceGetCurrentClocksEventReasons", wide=True)
        if reasons is None:  # drivers before 535 have the older name
            reasons = self._number("nvmlDeviceGetCurrentClocksThrottleReasons", wide=True)
        return Reading(
            sm_mhz=self._number("nvmlDeviceGetClockInfo", SM_CLOCK),
            temperature_c=self._number("nvmlDeviceGetTemperature", GPU_TEMPERATURE),
            power_w=None if power_mw is None else power_mw / 1000,
            reasons=reasons,
        )

    def bandwidth_bytes_per_s(self) -> float | None:
        """The most that the memory can move: its highest clock, two transfers a cycle, the bus's width."""
        mhz = self._number("nvmlDeviceGetMaxClockInfo", MEMORY_CLOCK)
        bits = self._number("nvmlDeviceGetMemoryBusWidth")
        return mhz * 1e6 * 2 * bits / 8 if mhz and bits else None

    def _number(self, function: str, *which: int, wide: bool = False) -> int | None:
        found = ctypes.c_ulonglong() if wide else ctypes.c_uint()
        call = getattr(self._library, function, None)
        if call is None or call(self._gpu, *which, ctypes.byref(found)) != 0:
            return None
        return int(found.value)


class NoGauge(Exception):
    """This machine's GPU cannot be asked about its clocks."""
