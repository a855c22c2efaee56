"""cuBLAS's matrix products, multiplied by torch on the CPU."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from kval_harness.cpu_device.runtime import loaded_runtime

if TYPE_CHECKING:
    import torch

# cublasStatus_t
SUCCESS = 0
INTERNAL_ERROR = 14
# cublasComputeType_t that accumulate in double precision, or in integers
DOUBLE = (70, 71)
INTEGER = (72, 73)


class Gemm(ctypes.Structure):
    """`Gemm` of cublas.cpp, field by field."""

    _fields_ = (
        ("transposes_a", ctypes.c_int32),
        ("transposes_b", ctypes.c_int32),
        ("m", ctypes.c_int64),
        ("n", ctypes.c_int64),
        ("k", ctypes.c_int64),
        ("batch", ctypes.c_int64),
        ("a", ctypes.c_void_p),
        ("b", ctypes.c_void_p),
        ("c", ctypes.c_void_p),
        ("a_type", ctypes.c_int32),
        ("b_type", ctypes.c_int32),
        ("c_type", ctypes.c_int32),
        ("compute", ctypes.c_int32),
        ("lda", ctypes.c_int64),
        ("ldb", ctypes.c_int64),
        ("ldc", ctypes.c_int64),
        ("stride_a", ctypes.c_int64),
        ("stride_b", ctypes.c_int64),
        ("stride_c", ctypes.c_int64),
        ("alpha", ctypes.c_double),
        ("beta", ctypes.c_double),
    )


_callbacks: list[Any] = []


def register() -> None:
    """Makes torch answer the software CUDA's cuBLAS. Torch must be imported.

    Raises:
        InstrumentError: the software CUDA is not preloaded.
    """
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Gemm))
    callback = prototype(_answer)
    loaded_runtime().kval_blas_handler.argtypes = [prototype]
    loaded_runtime().kval_blas_handler(callback)
    _callbacks.append(callback)  # the runtime keeps only its address


def _answer(product: ctypes._Pointer[Gemm]) -> int:
    try:
        _multiply(product.contents)
    except (RuntimeError, ValueError, KeyError, MemoryError) as error:  # nothing may leave a C callback
        loaded_runtime().kval_refuse(f"a cuBLAS product: {error}".encode())
        return INTERNAL_ERROR
    return SUCCESS


def _multiply(g: Gemm) -> None:
    import torch

    with torch.no_grad():
        c = _matrix(g.c, g.c_type, g.m, g.n, g.ldc, g.stride_c, g.batch)
        wide = torch.float64 if g.compute in DOUBLE else torch.int64 if g.compute in INTEGER else torch.float32
        if g.alpha == 0 or g.k == 0:
            result = torch.zeros(g.batch, g.m, g.n, dtype=wide)
        else:
            a = _operand(g.a, g.a_type, g.m, g.k, g.lda, g.stride_a, g.batch, bool(g.transposes_a))
            b = _operand(g.b, g.b_type, g.k, g.n, g.ldb, g.stride_b, g.batch, bool(g.transposes_b))
            result = torch.bmm(a.to(wide), b.to(wide))
            if g.alpha != 1:
                result *= g.alpha if wide.is_floating_point else int(g.alpha)
        if g.beta != 0:
            result += c.to(wide) * (g.beta if wide.is_floating_point else int(g.beta))
        c.copy_(result)


def _operand(
    address: int, kind: int, rows: int, columns: int, ld: int, stride: int, batch: int, transposes: bool
) -> torch.Tensor:
    if transposes:
        return _matrix(address, kind, columns, rows, ld, stride, batch).transpose(1, 2)
    return _matrix(address, kind, rows, columns, ld, stride, batch)


def _matrix(address: int, kind: int, rows: int, columns: int, ld: int, stride: int, batch: int) -> torch.Tensor:
    """A batch of matrices that lie in memory column by column."""
    import torch

    # cudaDataType
    dtypes = {0: torch.float32, 1: torch.float64, 2: torch.float16, 3: torch.int8, 10: torch.int32, 14: torch.bfloat16}
    dtype = dtypes[kind]
    elements = (batch - 1) * stride + (columns - 1) * ld + rows
    storage = torch._C._construct_storage_from_data_pointer(address, torch.device("cpu"), elements * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, (batch, rows, columns), (stride, 1, ld))
