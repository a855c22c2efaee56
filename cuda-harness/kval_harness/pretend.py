"""A GPU that is not there: enough of one for a candidate's Python to come to its build calls.

Inside `pretend_cuda()` torch says that a GPU is present, "cuda" tensors are meta tensors (shapes without data), and
tensors on no real device claim to be on the GPU. Nothing computed here means anything; only the calls that a
candidate makes on its way are of interest.
"""

# Candidates hand in anything, and get anything back: Any is the honest type here.
# ruff: noqa: ANN401

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CAPABILITY = (9, 0)
NAME = "NVIDIA H100 80GB HBM3"


@contextlib.contextmanager
def pretend_cuda(arch: str = "sm_90") -> Iterator[None]:
    """Torch with a GPU of `arch`, for this process and this block."""
    digits = "".join(character for character in arch if character.isdigit())
    capability = (int(digits[:-1]), int(digits[-1])) if len(digits) > 1 else CAPABILITY
    before = {name: getattr(torch.cuda, name) for name in _stand_ins(capability) if hasattr(torch.cuda, name)}
    compile_before = torch.compile
    try:
        for name, stand_in in _stand_ins(capability).items():
            setattr(torch.cuda, name, stand_in)
        torch.compile = _uncompiled
        with _MetaForCuda():
            yield
    finally:
        torch.compile = compile_before
        for name, original in before.items():
            setattr(torch.cuda, name, original)


class _MetaForCuda(TorchFunctionMode):  # type: ignore[misc]
    """Every request for "cuda" is answered on "meta"; meta tensors say that they are on "cuda"."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func == _IS_CUDA and args[0].device.type == "meta":
            return True
        if func == _DEVICE:
            found = func(*args)
            return torch.device("cuda", 0) if found.type == "meta" else found
        if func is torch.Tensor.cuda:
            return args[0].to("meta")
        if func is torch.Tensor.get_device:
            return 0
        if func is torch.Tensor.data_ptr:
            return 256
        changed = tuple(_meta(value) for value in args)
        return func(*changed, **{name: _meta(value) for name, value in (kwargs or {}).items()})


_IS_CUDA = torch.Tensor.is_cuda.__get__
_DEVICE = torch.Tensor.device.__get__


def _meta(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device("meta")
    if isinstance(value, str) and (value == "cuda" or value.startswith("cuda:")):
        return "meta"
    return value


def _stand_ins(capability: tuple[int, int]) -> dict[str, Any]:
    properties = types.SimpleNamespace(
        name=NAME,
        major=capability[0],
        minor=capability[1],
        multi_processor_count=132,
        total_memory=80 * 1024**3,
        warp_size=32,
        max_threads_per_multi_processor=2048,
        regs_per_multiprocessor=65536,
        shared_memory_per_block=49152,
        shared_memory_per_block_optin=232448,
        shared_memory_per_multiprocessor=233472,
        L2_cache_size=50 * 1024**2,
        is_integrated=False,
        is_multi_gpu_board=False,
    )
    # Every stand-in is a function of its own: torch's compiler keeps a table by function and takes no duplicates.
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_capability": lambda device=None: capability,
        "get_device_name": lambda device=None: NAME,
        "get_device_properties": lambda device=None: properties,
        "get_arch_list": lambda: [f"sm_{capability[0]}{capability[1]}"],
        "is_bf16_supported": lambda including_emulation=True: True,
        "mem_get_info": lambda device=None: (80 * 1024**3, 80 * 1024**3),
        "init": lambda *args, **kwargs: None,
        "_lazy_init": lambda *args, **kwargs: None,
        "synchronize": lambda *args, **kwargs: None,
        "empty_cache": lambda *args, **kwargs: None,
        "set_device": lambda *args, **kwargs: None,
        "manual_seed": lambda *args, **kwargs: None,
        "manual_seed_all": lambda *args, **kwargs: None,
        "reset_peak_memory_stats": lambda *args, **kwargs: None,
        "ipc_collect": lambda *args, **kwargs: None,
        "current_stream": lambda device=None: _Stream(),
        "default_stream": lambda device=None: _Stream(),
        "Stream": _Stream,
        "Event": _Stream,
        "stream": lambda stream: contextlib.nullcontext(),
        "device": lambda device: contextlib.nullcontext(),
    }


class _Stream:
    """A stream, or an event, on which nothing ever happens."""

    cuda_stream = 0
    device_index = 0

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing

    def query(self) -> bool:
        return True

    def elapsed_time(self, other: object) -> float:
        return 1.0

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None: ...


def _nothing(*args: object, **kwargs: object) -> None: ...


def _uncompiled(model: Any = None, **_: object) -> Any:
    """`torch.compile` as function or decorator, without compiling."""
    return model if model is not None else (lambda one: one)
