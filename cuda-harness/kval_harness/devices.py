"""The devices of this machine, whether they are well, and whose fault an error on them is.

The worker itself never initialises CUDA (a forked child could not use it then): torch is always asked in a child.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kval_harness.contain import Channel, Fences, Json, Limits, StopSignal, run_child
from kval_harness.outcome import InstrumentCode, InstrumentError

PROBE_S = 120.0
VISIBLE = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
# Every tensor is then an allocation of its own, and an address beyond it is seen to be none of its.
CPU_ENVIRONMENT = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
CPU_CAPABILITY = "9.0"


@dataclass(frozen=True)
class Device:
    kind: str
    index: int
    name: str
    compute_capability: str
    memory_bytes: int
    driver: str | None
    uuid: str | None = None  # which GPU of this machine it is, whatever its index in this process

    def to_json(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "index": self.index,
            "name": self.name,
            "computeCapability": self.compute_capability,
            "memoryBytes": self.memory_bytes,
            "driver": self.driver,
        }


def find_devices(environment: dict[str, str]) -> tuple[Device, ...]:
    """Every GPU that torch can use here; none where there is no driver. `environment`: see `visible`."""
    if not Path("/dev/nvidiactl").exists() and not Path("/dev/dxg").exists():
        return ()
    with tempfile.TemporaryDirectory(prefix="kval-devices-") as folder:
        end = run_child(
            _ask_torch, folder=Path(folder), limits=Limits(PROBE_S), environment=environment, fences=Fences()
        )
    driver = _driver()
    found = []
    for index, one in enumerate(end.value if isinstance(end.value, list) else []):
        if isinstance(one, dict):
            memory = one.get("memory")
            capability = str(one.get("capability"))
            bytes_of_memory = memory if isinstance(memory, int) else 0
            uuid = str(one.get("uuid"))
            found.append(Device("cuda", index, str(one.get("name")), capability, bytes_of_memory, driver, uuid))
    return tuple(found)


def cpu_device() -> Device:
    """CUDA in software on this machine's processors, which is one device however many they are."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device("cpu", 0, f"CUDA in software, {_processor()}", CPU_CAPABILITY, memory, None)


def visible(environment: dict[str, str]) -> dict[str, str]:
    """The part of the environment that decides which GPUs a process sees."""
    return {name: environment[name] for name in VISIBLE if name in environment}


def check_health(torch_device: str, environment: dict[str, str], stop: StopSignal | None = None) -> None:
    """Runs a small sum on the device in a child of its own. Raises InstrumentError `device-lost` when that fails."""

    def task(_: Channel) -> Json:
        import torch

        ones = torch.ones(1 << 20, device=torch_device)
        return float(ones.sum())

    with tempfile.TemporaryDirectory(prefix="kval-health-") as folder:
        end = run_child(
            task, folder=Path(folder), limits=Limits(PROBE_S), environment=environment, fences=Fences(), stop=stop
        )
    if end.kind == "returned" and end.value == float(1 << 20):
        return
    if classify(end.error or "") == "out-of-memory":
        raise InstrumentError("out-of-memory", f"{torch_device} is full: {end.error}", retry=True)
    said = end.error or end.stderr or end.kind
    raise InstrumentError(
        "device-lost", f"{torch_device} does not compute any more ({said}); restart it or take it out", retry=True
    )


def classify(message: str) -> InstrumentCode | None:
    """Which instrument failure a CUDA error's text stands for; None where it says something about the candidate."""
    for code, pattern in _PATTERNS:
        if re.search(pattern, message, re.IGNORECASE):
            return code
    return None


_PATTERNS: tuple[tuple[InstrumentCode, str], ...] = (
    (
        "out-of-memory",
        r"CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation|CUBLAS_STATUS_ALLOC_FAILED"
        r"|DefaultCPUAllocator: (?:can't allocate|not enough) memory",
    ),
    ("no-kernel-image", r"no kernel image is available|cudaErrorNoKernelImageForDevice|unsupported PTX version"),
    (
        "device-lost",
        r"no CUDA-capable device|CUDA driver initialization failed|device\(s\) is/are busy or unavailable|"
        r"CUDA unknown error|GPU is lost|fallen off the bus|uncorrectable ECC error|cudaErrorDevicesUnavailable|"
        r"driver version is insufficient|system not yet initialized",
    ),
    ("disk-full", r"No space left on device|Disk quota exceeded"),
)


def _ask_torch(_: Channel) -> Json:
    import torch

    found: list[Json] = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        about = torch.cuda.get_device_properties(index)
        found.append(
            {
                "name": about.name,
                "capability": f"{about.major}.{about.minor}",
                "memory": int(about.total_memory),
                "uuid": str(about.uuid),
            }
        )
    return found


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.machine()


def _driver() -> str | None:
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split()
    return lines[0] if done.returncode == 0 and lines else None
