"""Torch's operators for CUDA tensors of the software device, answered by torch's own CPU operators.

A CUDA tensor lies in the host's memory, so each operator gets CPU tensors over the same memory and its new results
move into CUDA memory. Views, allocations and what is put together from other operators in place run as torch has them.
Only a process that preloaded the software CUDA may install this.
"""

# ruff: noqa: ANN401

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kval_harness.cpu_device import blas
from kval_harness.cpu_device.runtime import loaded_runtime
from kval_harness.cpu_device.tensors import alias, track_down, track_up, upload

if TYPE_CHECKING:
    import torch

Operator = Callable[..., Any]

# They change what a tensor is, not what it holds, or they allocate: they need no kernel.
NATIVE = frozenset((
    "_backward", "_coalesced_", "_copy_from", "_copy_from_and_resize", "_has_same_storage_numel", "_lazy_clone",
    "_pin_memory", "_resize_output_", "_to_copy", "as_strided_", "atleast_1d", "atleast_2d", "atleast_3d",
    "broadcast_tensors", "data", "detach_", "is_pinned", "is_same_size", "is_set_to", "lift", "meshgrid",
    "record_stream", "rename_", "requires_grad_", "resize_", "resize_as_", "retain_grad", "set_", "set_data",
    "squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "type_as", "unsqueeze_",
))  # fmt: skip
# TorchScript's tracer records what they call, `_convolution`, which has its kernel here, and not themselves.
TRACED = frozenset((
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution",
))  # fmt: skip
# Families that have no strided CPU tensor to stand in, or that only another library answers.
FOREIGN = ("sparse", "nested", "cudnn", "miopen", "mkldnn", "_mps", "_cslt", "xla")
# Their index, length or value tensors may lie on the host.
MIXED = frozenset((
    "_ctc_loss", "_index_put_impl_", "_pack_padded_sequence", "_pad_packed_sequence", "_unsafe_index",
    "_unsafe_index_put", "copy", "copy_", "ctc_loss", "index", "index_put", "index_put_", "normal_",
))  # fmt: skip
# They make tensors from no tensor, yet torch has kernels of their own for them.
FACTORIES = ("tril_indices", "triu_indices")
# A CPU may lack kernels for these where a GPU has them; for other types both lack the same.
GPU_TYPES = ("'Half'", "'BFloat16'", "'ComplexHalf'", "'Float8_")

_library: list[Any] = []


@dataclass(frozen=True)
class _Plan:
    """One operator. `results`: which argument (place, name) each result is, none for a new tensor; `written`: the
    arguments that it writes; `mixed`: some tensors may lie on the host."""

    name: str
    overload: str
    results: tuple[tuple[int, str] | None, ...]
    written: tuple[tuple[int, str], ...]
    mixed: bool

    @cached_property
    def call(self) -> Operator:
        import torch

        found: Operator = torch._C._get_operation_overload(f"aten::{self.name}", self.overload)[0]
        return found


@dataclass
class _Host:
    """CPU tensors for one call. What is one tensor stays one, and tensors that share memory keep sharing a storage:
    operators look at both."""

    tracks: bool
    storages: dict[int, Any] = field(default_factory=dict)
    tensors: dict[int, torch.Tensor] = field(default_factory=dict)
    device: torch.device | None = None
    stray: bool = False

    def of(self, value: Any) -> Any:
        import torch

        if isinstance(value, torch.Tensor):
            if value.is_cuda:
                _only_strided(value)
                self.device = value.device
                host = self.tensors.get(id(value))
                if host is None:
                    crosses = self.tracks and value.requires_grad
                    host = track_down(value) if crosses else alias(value, self.storages, owns=self.tracks)
                    self.tensors[id(value)] = host
                return host
            self.stray = self.stray or value.dim() > 0
            return value
        if isinstance(value, (list, tuple)):
            return [self.of(item) for item in value]
        if isinstance(value, torch.device):
            return torch.device("cpu") if value.type == "cuda" else value
        if isinstance(value, torch.Generator):
            return None if value.device.type == "cuda" else value
        return value


def install() -> None:
    """Registers every operator, once for the process. Starts no CUDA: children that are forked later may use it.

    Raises:
        InstrumentError: the software CUDA is not preloaded.
    """
    loaded_runtime()
    if _library:
        return
    import torch

    library = torch._C._dispatch_library("IMPL", "aten", "", __file__, 1)
    _library.append(library)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Warning only once for all operators")  # of being replaced
        for full in torch._C._dispatch_get_all_op_names():
            space, _, name = full.partition("::")
            if space == "aten":
                _register(library, name)
    # Modules ask for cuDNN's layout of their weights where it is enabled.
    torch.backends.cudnn.enabled = False
    torch._C._jit_override_can_fuse_on_gpu(False)  # TorchScript would compile kernels for a GPU that is not there
    blas.register()


def _register(library: Any, full: str) -> None:
    import torch

    name, _, overload = full.partition(".")
    if (
        name in NATIVE
        or name in TRACED
        or name.startswith(("empty", "new_empty"))
        or any(word in name for word in FOREIGN)
    ):
        return
    schema = torch._C._get_schema(f"aten::{name}", overload)
    takes = any("Tensor" in str(argument.type) for argument in schema.arguments)
    gives = any("Tensor" in str(result.type) for result in schema.returns)
    if any(result.alias_info is not None and not result.alias_info.is_write for result in schema.returns):
        return
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{full}", "CompositeImplicitAutograd")
    plan = _plan(name, overload, schema)
    if composite and (not gives or plan.written):
        return
    if takes or name in FACTORIES:
        library.impl(full, "CUDA", _operator(plan, tracks=False), False)
        if composite:
            # One operator here, for torch many with gradients of their own: its gradient is the CPU's.
            library.impl(full, "AutogradCUDA", _operator(plan, tracks=True), False)


def _plan(name: str, overload: str, schema: Any) -> _Plan:
    places = {
        letter: (place, argument.name)
        for place, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
        for letter in argument.alias_info.before_set
    }
    results = tuple(
        None if result.alias_info is None else next(places[letter] for letter in result.alias_info.before_set)
        for result in schema.returns
    )
    return _Plan(name, overload, results, tuple(places.values()), name in MIXED)


def _operator(plan: _Plan, tracks: bool) -> Operator:
    import torch

    single = len(plan.results) == 1

    def operator(*args: Any, **kwargs: Any) -> Any:
        host = _Host(tracks and torch.is_grad_enabled())
        places = [host.of(value) for value in args]
        names = {name: host.of(value) for name, value in kwargs.items()}
        _same_device(plan, host)
        given = [_pick(where, args, kwargs) for where in plan.written]
        taken = [_pick(where, places, names) for where in plan.written]
        result = _call(plan, places, names, given, taken)
        stays = "device" in kwargs and kwargs["device"] is not None and kwargs["device"].type == "cpu"
        if not plan.results:
            return None
        parts = (result,) if single else result
        handed = tuple(
            _pick(where, args, kwargs) if where is not None else part if stays else _up(part)
            for where, part in zip(plan.results, parts, strict=True)
        )
        if _watched is not None:
            _note(plan.name, (*args, *kwargs.values()), handed)
        return handed[0] if single else handed

    return operator


@dataclass
class Watch:
    """What torch makes without the candidate's kernels: results of `sizes` bytes whose inputs no kernel has touched."""

    sizes: frozenset[int]
    made: list[tuple[str, torch.Tensor]] = field(default_factory=list)


_watched: Watch | None = None


def watch(sizes: frozenset[int]) -> Watch:
    global _watched
    loaded_runtime().kval_mark_work.argtypes = [ctypes.c_size_t]
    loaded_runtime().kval_has_work.argtypes = [ctypes.c_size_t]
    _watched = Watch(sizes)
    return _watched


def unwatch() -> None:
    global _watched
    _watched = None


def _note(name: str, given: tuple[Any, ...], handed: tuple[Any, ...]) -> None:
    assert _watched is not None
    runtime = loaded_runtime()
    touched = any(runtime.kval_has_work(one.untyped_storage().data_ptr()) for one in _on_device(given))
    for one in _on_device(handed):
        if touched:
            runtime.kval_mark_work(one.untyped_storage().data_ptr())
        elif one.nbytes in _watched.sizes and len(_watched.made) < 64:
            _watched.made.append((name, alias(one, {}).clone()))


def _on_device(values: Any) -> list[torch.Tensor]:
    import torch

    if isinstance(values, torch.Tensor):
        return [values] if values.is_cuda and values.numel() > 0 else []
    return [one for value in values for one in _on_device(value)] if isinstance(values, (list, tuple)) else []


def _pick(where: tuple[int, str], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    place, name = where
    return args[place] if place < len(args) else kwargs.get(name)


def _same_device(plan: _Plan, host: _Host) -> None:
    if host.stray and host.device is not None and not plan.mixed:
        found = f"Expected all tensors to be on the same device, but found at least two devices, {host.device} and cpu!"
        raise RuntimeError(found)


def _call(plan: _Plan, args: list[Any], kwargs: dict[str, Any], given: list[Any], taken: list[Any]) -> Any:
    """Runs the operator on the host; what it wrote into, given as `given`, then has the shape it asked for."""
    import torch

    try:
        result = plan.call(*args, **kwargs)
    except RuntimeError as error:
        text = str(error)
        if "not resizable" in text and all(name in kwargs for _, name in plan.written):
            fresh = {name: torch.empty(0, dtype=kwargs[name].dtype) for _, name in plan.written}
            result = plan.call(*args, **{**kwargs, **fresh})
            taken = [fresh[name] for _, name in plan.written]
        else:
            if _is_lacking(text):
                loaded_runtime().kval_refuse(f"torch.{plan.name} on the CPU: {text.split('. ')[0]}".encode())
            raise
    for ours, theirs in zip(given, taken, strict=True):
        if isinstance(ours, torch.Tensor) and ours.is_cuda:
            _reshape(ours, theirs)
    return result


def _is_lacking(text: str) -> bool:
    """Whether a CPU operator's complaint is of the CPU alone: a GPU might well have done it."""
    if "Could not run 'aten::" in text:
        return True
    return " not implemented for " in text and any(name in text for name in GPU_TYPES)


def _reshape(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Follows an output that the operator gave another shape."""
    if ours.size() == theirs.size():
        return
    ours.resize_(theirs.size())
    if theirs.stride() != ours.stride():
        ours.as_strided_(theirs.size(), theirs.stride())
    if ours.data_ptr() != theirs.data_ptr():
        alias(ours, {}).copy_(theirs)


def _up(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        _only_strided(value)
        return track_up(value) if value.requires_grad else upload(value)
    if isinstance(value, (list, tuple)):
        return [_up(item) for item in value]
    return value


def _only_strided(tensor: torch.Tensor) -> None:
    import torch

    if tensor.layout is not torch.strided:
        loaded_runtime().kval_refuse(f"operators on tensors of layout {tensor.layout}".encode())
        raise NotImplementedError(f"the software device has no operators on tensors of layout {tensor.layout}")
