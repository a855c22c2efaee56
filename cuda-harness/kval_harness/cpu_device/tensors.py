"""CUDA tensors of the software device and CPU tensors, each from the other: they differ in name, not in place."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kval_harness.cpu_device.runtime import loaded_runtime

if TYPE_CHECKING:
    import torch


def alias(tensor: torch.Tensor, storages: dict[int, torch.UntypedStorage], owns: bool = False) -> torch.Tensor:
    """A CPU tensor over the memory of a CUDA one, valid as long as that one lives, which it keeps alive if it `owns`
    it. `storages`: those of one call, by address, so that tensors which share memory share a storage."""
    import torch

    memory = tensor.untyped_storage()
    address = memory.data_ptr()
    storage = storages.get(address)
    if storage is None:
        storage = _owner(tensor) if owns and address != 0 else _storage(address, memory.nbytes())
        storages[address] = storage
    host = torch.empty(0, dtype=tensor.dtype)
    host.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())
    if tensor.is_conj():
        host = host.conj()
    if tensor.is_neg():
        host = torch._neg_view(host)
    # Operators choose their way by it, also where no gradient is taken.
    return host.requires_grad_() if tensor.requires_grad else host


def _storage(address: int, size: int) -> torch.UntypedStorage:
    import torch

    return torch._C._construct_storage_from_data_pointer(address, torch.device("cpu"), size)


def _owner(tensor: torch.Tensor) -> torch.UntypedStorage:
    import torch

    memory = tensor.untyped_storage()
    buffer = (ctypes.c_char * memory.nbytes()).from_address(memory.data_ptr())
    buffer.owner = memory  # the storage made here holds the buffer, the buffer holds the device's memory
    return torch.frombuffer(buffer, dtype=torch.uint8).untyped_storage()


def upload(tensor: torch.Tensor) -> torch.Tensor:
    """A new CUDA tensor with the values and strides of a strided CPU one."""
    import torch

    tensor = tensor.resolve_conj().resolve_neg()
    fill = loaded_runtime().kval_fill
    fill(0)
    try:
        device = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cuda")
    finally:
        fill(1)
    if tensor.numel() > 0:
        last = sum((size - 1) * stride for size, stride in zip(tensor.size(), tensor.stride(), strict=True))
        ctypes.memmove(device.data_ptr(), tensor.data_ptr(), (last + 1) * tensor.element_size())
    return device


def track_down(tensor: torch.Tensor) -> torch.Tensor:
    """A CPU copy of a CUDA tensor that hands its gradient on to it."""
    down: torch.Tensor = _crossings()[0].apply(tensor)
    return down


def track_up(tensor: torch.Tensor) -> torch.Tensor:
    """A CUDA copy of a CPU tensor that hands its gradient on to it."""
    up: torch.Tensor = _crossings()[1].apply(tensor)
    return up


@lru_cache(maxsize=1)
def _crossings() -> tuple[Any, Any]:
    import torch

    class Down(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
        @staticmethod
        def forward(ctx: object, tensor: torch.Tensor) -> torch.Tensor:
            return alias(tensor, {}, owns=True).detach()

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return track_up(gradient)

    class Up(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
        @staticmethod
        def forward(ctx: object, tensor: torch.Tensor) -> torch.Tensor:
            return upload(tensor)

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            return track_down(gradient)

    return Down, Up
