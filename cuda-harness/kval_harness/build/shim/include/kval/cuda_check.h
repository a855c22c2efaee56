// C10_CUDA_CHECK and C10_CUDA_KERNEL_LAUNCH_CHECK.
#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <kval/tensor.h>

namespace c10::cuda {
void c10_cuda_check_implementation(
    const int32_t err,
    const char* filename,
    const char* function_name,
    const uint32_t line_number,
    const bool include_device_assertions);
} // namespace c10::cuda

#define C10_CUDA_CHECK(EXPR) \
  do { \
    const cudaError_t __err = EXPR; \
    c10::cuda::c10_cuda_check_implementation( \
        static_cast<int32_t>(__err), __FILE__, __func__, static_cast<uint32_t>(__LINE__), true); \
  } while (0)
#define C10_CUDA_CHECK_WARN(EXPR) \
  do { \
    const cudaError_t __err = EXPR; \
    if (C10_UNLIKELY(__err != cudaSuccess)) { \
      [[maybe_unused]] auto error_unused = cudaGetLastError(); \
      TORCH_WARN("CUDA warning: ", cudaGetErrorString(__err)); \
    } \
  } while (0)
#define C10_CUDA_KERNEL_LAUNCH_CHECK() C10_CUDA_CHECK(cudaGetLastError())
