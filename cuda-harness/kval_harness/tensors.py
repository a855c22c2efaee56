"""Tensors from one process to another through a file that the reader need not trust: a JSON header and raw bytes.

Layout: 8 bytes of header length (little endian), the header, then each tensor's bytes. Nothing is executed on reading,
every number in the header is checked against the file, and the size is bounded by the reader.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kval_harness.contain import Json

if TYPE_CHECKING:
    import torch

HEADER_BYTES = 1 << 20
DTYPES = (
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float8_e4m3fn",
    "float8_e5m2",
    "bool",
    "complex64",
    "complex128",
)


class NotTensors(Exception):
    """The file is not what `write_values` writes, or it is larger than the reader wants."""


class Unsendable(Exception):
    """A value that is neither a tensor nor plain data."""


def write_values(file: Path, values: object) -> int:
    """Writes a tree of lists, tuples, dicts, plain data and tensors; returns the bytes written.

    The memory order of permuted tensors is kept; other views are made contiguous. Raises Unsendable, OSError.
    """
    tensors: list[tuple[dict[str, Json], torch.Tensor]] = []
    tree = _encode(values, tensors)
    header = json.dumps({"tree": tree, "tensors": [about for about, _ in tensors]}).encode()
    if len(header) > HEADER_BYTES:
        raise Unsendable("more than a megabyte of plain data")
    with file.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        for _, dense in tensors:
            stream.write(memoryview(_bytes_of(dense)))
        return stream.tell()


def read_values(file: Path, *, max_bytes: int | None = None) -> object:
    """Reads what `write_values` wrote, as CPU tensors of their own. Raises NotTensors, OSError."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotTensors(f"there is no such file: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotTensors("it is no regular file")
    with os.fdopen(descriptor, "rb") as stream:
        size = os.fstat(descriptor).st_size
        if max_bytes is not None and size > max_bytes:
            raise NotTensors(f"{size} bytes where at most {max_bytes} were expected")
        header = _read_header(stream, size)
        about, tree = header.get("tensors"), header.get("tree")
        if not isinstance(about, list):
            raise NotTensors("the header lists no tensors")
        tensors = [_read_tensor(stream, one, size) for one in about]
    return _decode(tree, tensors, 0)


def map_tensors(values: object, change: Callable[[torch.Tensor], torch.Tensor]) -> object:
    """The same tree with every tensor changed."""
    import torch

    if isinstance(values, torch.Tensor):
        return change(values)
    if isinstance(values, (list, tuple)):
        changed = [map_tensors(one, change) for one in values]
        return changed if isinstance(values, list) else tuple(changed)
    if isinstance(values, dict):
        return {key: map_tensors(one, change) for key, one in values.items()}
    return values


def tensors_in(values: object) -> list[torch.Tensor]:
    """The tensors among the leaves, in the order of `flatten`."""
    import torch

    return [leaf for leaf in flatten(values) if isinstance(leaf, torch.Tensor)]


def flatten(values: object) -> list[object]:
    """The leaves of nested lists, tuples and dicts in order: the outputs of one call."""
    if isinstance(values, (list, tuple)):
        return [leaf for one in values for leaf in flatten(one)]
    if isinstance(values, dict):
        return [leaf for key in sorted(values, key=str) for leaf in flatten(values[key])]
    return [values]


def _encode(value: object, tensors: list[tuple[dict[str, Json], torch.Tensor]]) -> Json:
    import torch

    if isinstance(value, torch.Tensor):
        order, dense = _dense(value)
        dtype = str(dense.dtype).removeprefix("torch.")
        if dtype not in DTYPES:
            raise Unsendable(f"a tensor of {dtype}")
        shape: list[Json] = [int(one) for one in dense.shape]
        tensors.append(({"shape": shape, "dtype": dtype, "order": list(order)}, dense))
        return {"tensor": len(tensors) - 1}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(one, tensors) for one in value]}
    if isinstance(value, dict):
        return {"dict": {str(key): _encode(one, tensors) for key, one in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    raise Unsendable(f"a {type(value).__name__}")


def _dense(tensor: torch.Tensor) -> tuple[list[int], torch.Tensor]:
    """The tensor with its dimensions in memory order, on the CPU, and that order."""
    order = sorted(range(tensor.dim()), key=lambda dimension: -tensor.stride(dimension))
    moved = tensor.detach().permute(order)
    if tensor.is_contiguous() or not moved.is_contiguous():
        return list(range(tensor.dim())), tensor.detach().contiguous().cpu()
    return order, moved.cpu()


def _bytes_of(dense: torch.Tensor) -> memoryview:
    import torch

    flat = dense.resolve_conj().resolve_neg().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else memoryview(b"")


def _read_header(stream: BinaryIO, size: int) -> dict[str, Json]:
    length = int.from_bytes(stream.read(8), "little")
    if not 0 < length <= min(HEADER_BYTES, size):
        raise NotTensors("the header's length is impossible")
    try:
        header = json.loads(stream.read(length))
    except (ValueError, RecursionError):
        raise NotTensors("the header is not JSON") from None
    if not isinstance(header, dict):
        raise NotTensors("the header is not an object")
    return header


def _read_tensor(stream: BinaryIO, about: Json, size: int) -> torch.Tensor:
    import torch

    fields = about if isinstance(about, dict) else {}
    shape, dtype, order = fields.get("shape"), fields.get("dtype"), fields.get("order")
    if not isinstance(shape, list) or not isinstance(order, list) or dtype not in DTYPES or not isinstance(dtype, str):
        raise NotTensors("a tensor is described wrongly")
    lengths = [one for one in shape if isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 48]
    if len(lengths) != len(shape) or len(shape) > 64 or sorted(map(str, order)) != sorted(map(str, range(len(shape)))):
        raise NotTensors("a tensor has an impossible shape")
    kind = getattr(torch, dtype)
    expected = math.prod(lengths) * int(torch.empty(0, dtype=kind).element_size())
    if expected > size - stream.tell():
        raise NotTensors("the file is shorter than its tensors")
    data = bytearray(expected)
    if stream.readinto(data) != expected:  # type: ignore[attr-defined]  # a raw buffer's method
        raise NotTensors("the file is shorter than its tensors")
    flat = torch.frombuffer(data, dtype=torch.uint8).view(kind) if expected else torch.empty(0, dtype=kind)
    back = [0] * len(order)
    for place, dimension in enumerate(order):
        back[int(str(dimension))] = place
    return flat.reshape(lengths).permute(back)


def _decode(tree: Json, tensors: list[torch.Tensor], depth: int) -> object:
    if not isinstance(tree, dict) or len(tree) != 1 or depth > 64:
        raise NotTensors("the tree is malformed")
    kind, body = next(iter(tree.items()))
    if kind == "tensor" and isinstance(body, int) and 0 <= body < len(tensors):
        return tensors[body]
    if kind in ("list", "tuple") and isinstance(body, list):
        values = [_decode(one, tensors, depth + 1) for one in body]
        return values if kind == "list" else tuple(values)
    if kind == "dict" and isinstance(body, dict):
        return {key: _decode(one, tensors, depth + 1) for key, one in body.items()}
    if kind == "value" and (body is None or isinstance(body, (bool, int, float, str))):
        return body
    raise NotTensors("the tree is malformed")
