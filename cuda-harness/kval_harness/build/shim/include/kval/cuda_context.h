// ATen/cuda/CUDAContext.h: handles and device properties out of torch's own pools.
#pragma once
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <kval/cuda_stream.h>

namespace at::cuda {
cudaDeviceProp* getCurrentDeviceProperties();
int warp_size();
cudaDeviceProp* getDeviceProperties(c10::DeviceIndex device);
cublasHandle_t getCurrentCUDABlasHandle();
inline bool is_available() {
  return c10::cuda::device_count() > 0;
}
namespace blas {
const char* _cublasGetErrorEnum(cublasStatus_t error);
}
} // namespace at::cuda

#define AT_CUDA_CHECK(EXPR) C10_CUDA_CHECK(EXPR)
#define TORCH_CUDABLAS_CHECK(EXPR) \
  do { \
    cublasStatus_t __err = EXPR; \
    TORCH_CHECK( \
        __err == CUBLAS_STATUS_SUCCESS, \
        "CUDA error: ", \
        at::cuda::blas::_cublasGetErrorEnum(__err), \
        " when calling `" #EXPR "`"); \
  } while (0)
