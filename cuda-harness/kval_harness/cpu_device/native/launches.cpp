// Every way to launch a kernel, and to ask about one.
#include <algorithm>
#include <vector>

#include "errors.h"
#include "symbols.h"

using namespace kval;

namespace {

constexpr size_t kSharedOfMultiprocessor = 228 << 10;
constexpr size_t kReservedShared = 1 << 10;
constexpr size_t kOptInShared = 227 << 10;

struct Configuration {
    dim3 grid, block;
    size_t dynamic_shared;
    cudaStream_t stream;
};

// What <<<...>>> pushed and the kernel's stub has not popped yet.
thread_local std::vector<Configuration> configurations;

}  // namespace

extern "C" {

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic_shared, CUstream_st* stream) {
    configurations.push_back({grid, block, dynamic_shared, stream});
    return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* dynamic_shared, void* stream) {
    if (configurations.empty()) return done(cudaErrorMissingConfiguration);
    const Configuration& last = configurations.back();
    *grid = last.grid;
    *block = last.block;
    *dynamic_shared = last.dynamic_shared;
    *static_cast<cudaStream_t*>(stream) = last.stream;
    configurations.pop_back();
    return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host_function) {
    *kernel = reinterpret_cast<cudaKernel_t>(handle_of(host_function));
    return *kernel == nullptr ? done(cudaErrorInvalidDeviceFunction) : cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** args, size_t dynamic_shared,
                               cudaStream_t) {
    return run(find_function(kernel), grid, block, args, dynamic_shared, false);
}

cudaError_t cudaGetKernel(cudaKernel_t* kernel, const void* host_function) {
    return __cudaGetKernel(kernel, host_function);
}

cudaError_t cudaGetFuncBySymbol(cudaFunction_t* function, const void* host_function) {
    return __cudaGetKernel(reinterpret_cast<cudaKernel_t*>(function), host_function);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** args, size_t dynamic_shared,
                             cudaStream_t) {
    return run(find_function(function), grid, block, args, dynamic_shared, false);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** args,
                                        size_t dynamic_shared, cudaStream_t) {
    return run(find_function(function), grid, block, args, dynamic_shared, true);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** args) {
    bool cooperative = false;
    for (unsigned i = 0; i < config->numAttrs; ++i) {
        const cudaLaunchAttribute& attribute = config->attrs[i];
        if (attribute.id == cudaLaunchAttributeCooperative) cooperative = attribute.val.cooperative != 0;
        if (attribute.id == cudaLaunchAttributeClusterDimension) {
            auto [x, y, z] = attribute.val.clusterDim;
            if (x > 1 || y > 1 || z > 1) return refuse("thread block clusters");
        }
    }
    return run(find_function(function), config->gridDim, config->blockDim, args, config->dynamicSmemBytes, cooperative);
}

// What a caller compiled for a default stream per thread asks for.
cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t, dim3, dim3, void**, size_t, cudaStream_t)
    __attribute__((alias("__cudaLaunchKernel")));
cudaError_t cudaLaunchKernel_ptsz(const void*, dim3, dim3, void**, size_t, cudaStream_t)
    __attribute__((alias("cudaLaunchKernel")));

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* found, const void* function) {
    return found == nullptr ? done(cudaErrorInvalidValue) : describe(find_function(function), *found);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute which, int value) {
    return set_attribute(find_function(function), which, value);
}

cudaError_t cudaKernelSetAttributeForDevice(cudaKernel_t kernel, cudaFuncAttribute which, int value, int) {
    return set_attribute(find_function(kernel), which, value);
}

cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return done(); }
cudaError_t cudaFuncSetSharedMemConfig(const void*, cudaSharedMemConfig) { return done(); }

cudaError_t cudaFuncGetName(const char** name, const void* function) {
    *name = name_of(find_function(function));
    return done(*name == nullptr ? cudaErrorInvalidDeviceFunction : cudaSuccess);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int block_threads,
                                                          size_t dynamic_shared) {
    return occupancy(find_function(function), block_threads, dynamic_shared, *blocks);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function, int block_threads,
                                                                   size_t dynamic_shared, unsigned) {
    return occupancy(find_function(function), block_threads, dynamic_shared, *blocks);
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, const void* function, int blocks, int) {
    cudaFuncAttributes known;
    cudaError_t result = describe(find_function(function), known);
    if (result != cudaSuccess || blocks <= 0) return result != cudaSuccess ? result : done(cudaErrorInvalidValue);
    size_t taken = known.sharedSizeBytes + kReservedShared;
    size_t each = kSharedOfMultiprocessor / size_t(blocks);
    *bytes = each > taken ? std::min(each - taken, kOptInShared - known.sharedSizeBytes) : 0;
    return done();
}

}  // extern "C"
