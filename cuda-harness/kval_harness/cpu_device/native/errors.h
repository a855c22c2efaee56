// What every CUDA call answers with: the last error of a thread, and the fault that no later call gets past.
#pragma once

#include <cuda_runtime_api.h>

namespace kval {

// Ends a call: the fault that stands, else `result`, which the thread's cudaGetLastError then knows.
cudaError_t done(cudaError_t result = cudaSuccess);

// The fault that stands, else cudaSuccess.
cudaError_t standing();

// What a kernel or a library call ended with: a fault stands from here on.
cudaError_t ended(cudaError_t result);

// Ends a call that names something the software device does not do.
cudaError_t refuse(const char* construct);

}  // namespace kval
