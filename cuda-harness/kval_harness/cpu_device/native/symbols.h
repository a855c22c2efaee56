// What libraries register when they are loaded: kernels and variables by the address of their host stand-in.
#pragma once

#include <cstddef>

#include <cuda_runtime_api.h>

namespace kval {

struct Variable {
    void* address;  // null: `error` says why
    size_t bytes;
    cudaError_t error;
};

// The device's side of a __device__ or __constant__ variable.
Variable find_symbol(const void* host_variable);

struct Function;  // a registered kernel

// Null where nobody registered it. Takes a host stand-in's address or a cudaKernel_t.
Function* find_function(const void* host_function);

// What a cudaKernel_t of it points to; null where nobody registered it.
Function* handle_of(const void* host_function);

const char* name_of(const Function* function);  // mangled; null for null

// Checks the configuration as the driver does, then runs the grid.
cudaError_t run(Function* function, dim3 grid, dim3 block, void** args, size_t dynamic_shared, bool cooperative);

cudaError_t describe(Function* function, cudaFuncAttributes& found);
cudaError_t set_attribute(Function* function, cudaFuncAttribute which, int value);

// How many blocks of that size a multiprocessor takes.
cudaError_t occupancy(Function* function, int block_threads, size_t dynamic_shared, int& blocks);

}  // namespace kval
