// The CUDA driver, as far as torch asks for it: one device, one context that is always current.
#include <cstdio>
#include <cstring>
#include <string>

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "engine.h"
#include "errors.h"
#include "memory.h"

using namespace kval;

namespace {

CUcontext only_context() {
    static int context;
    return reinterpret_cast<CUcontext>(&context);
}

CUresult done_by_driver() { return CUresult(standing()); }

CUresult refuse_driver(const char* name) {
    char text[128];
    snprintf(text, sizeof text, "driver API %s", name);
    return CUresult(refuse(text));
}

// Stands for every driver function that has no other answer.
CUresult any_other() { return refuse_driver("(a function that the software device does not have)"); }

cudaError_t entry_point(const char* symbol, void** function, cudaDriverEntryPointQueryResult* status) {
    *function = nullptr;
    for (const char* version : {"", "_v2", "_v3", "_v4"}) {
        if (*function == nullptr) *function = dlsym(RTLD_DEFAULT, (std::string(symbol) + version).c_str());
    }
    if (*function == nullptr) *function = reinterpret_cast<void*>(&any_other);
    if (status != nullptr) *status = cudaDriverEntryPointSuccess;
    return done();
}

}  // namespace

extern "C" {

cudaError_t cudaGetDriverEntryPoint(const char* symbol, void** function, unsigned long long,
                                    cudaDriverEntryPointQueryResult* status) {
    return entry_point(symbol, function, status);
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
    return entry_point(symbol, function, status);
}

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }

CUresult cuDriverGetVersion(int* version) {
    cudaDriverGetVersion(version);
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char** text) {
    *text = cudaGetErrorString(cudaError_t(error));
    return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char** text) {
    *text = cudaGetErrorName(cudaError_t(error));
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    *device = 0;
    return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetCount(int* count) {
    *count = 1;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int length, CUdevice) {
    cudaDeviceProp known;
    cudaGetDeviceProperties(&known, 0);
    snprintf(name, size_t(length), "%s", known.name);
    return done_by_driver();
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice) {
    cudaDeviceProp known;
    cudaGetDeviceProperties(&known, 0);
    memcpy(uuid, &known.uuid, sizeof *uuid);
    return done_by_driver();
}

// The driver numbers the attributes as the runtime does.
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice device) {
    return CUresult(cudaDeviceGetAttribute(value, cudaDeviceAttr(which), device));
}

CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) {
    *bytes = capacity().total_bytes;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned* flags, int* active) {
    *flags = 0;
    *active = 1;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
    *context = only_context();
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice) { return CUDA_SUCCESS; }

CUresult cuCtxGetCurrent(CUcontext* context) {
    *context = only_context();
    return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
CUresult cuCtxPushCurrent(CUcontext) { return CUDA_SUCCESS; }

CUresult cuCtxPopCurrent(CUcontext* context) { return context == nullptr ? CUDA_SUCCESS : cuCtxGetCurrent(context); }

CUresult cuCtxGetDevice(CUdevice* device) {
    *device = 0;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) { return done_by_driver(); }
CUresult cuStreamSynchronize(CUstream) { return done_by_driver(); }

CUresult cuMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
    return CUresult(cudaMemGetInfo(free_bytes, total_bytes));
}

CUresult cuMemGetAddressRange(CUdeviceptr* first, size_t* bytes, CUdeviceptr address) {
    Range range = find_range(uintptr_t(address));
    if (range.bytes == 0) return CUDA_ERROR_NOT_FOUND;
    if (first != nullptr) *first = range.first;
    if (bytes != nullptr) *bytes = range.bytes;
    return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void* value, CUpointer_attribute which, CUdeviceptr address) {
    if (kind_of(uintptr_t(address)) == Kind::none) return CUDA_ERROR_INVALID_VALUE;
    switch (which) {
        case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
            *static_cast<int*>(value) = 0;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
            *static_cast<unsigned*>(value) = CU_MEMORYTYPE_DEVICE;
            return CUDA_SUCCESS;
        case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
            *static_cast<CUdeviceptr*>(value) = address;
            return CUDA_SUCCESS;
        default:
            return refuse_driver("cuPointerGetAttribute");
    }
}

}  // extern "C"

// Declared otherwise in cuda.h, whose macros rename them: only the names matter, no argument is looked at.
#define KVAL_NAMED(symbol, text)                                             \
    extern "C" CUresult kval_refused_##symbol() asm(text);                   \
    extern "C" CUresult kval_refused_##symbol() { return refuse_driver(text); }

// NVIDIA's own libraries look here for what is in no header; they do without.
extern "C" CUresult cuGetExportTable(const void** table, const CUuuid*) {
    *table = nullptr;
    return CUDA_ERROR_NOT_FOUND;
}

KVAL_NAMED(launch, "cuLaunchKernel")
KVAL_NAMED(launch_ex, "cuLaunchKernelEx")
KVAL_NAMED(launch_cooperative, "cuLaunchCooperativeKernel")
KVAL_NAMED(module_load, "cuModuleLoad")
KVAL_NAMED(module_load_data, "cuModuleLoadData")
KVAL_NAMED(module_load_data_ex, "cuModuleLoadDataEx")
KVAL_NAMED(module_get_function, "cuModuleGetFunction")
KVAL_NAMED(library_load_data, "cuLibraryLoadData")
KVAL_NAMED(func_set_attribute, "cuFuncSetAttribute")
KVAL_NAMED(func_get_attribute, "cuFuncGetAttribute")
KVAL_NAMED(func_set_cache_config, "cuFuncSetCacheConfig")
KVAL_NAMED(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor")
KVAL_NAMED(link_create, "cuLinkCreate_v2")
KVAL_NAMED(link_add_data, "cuLinkAddData_v2")
KVAL_NAMED(tensor_map_tiled, "cuTensorMapEncodeTiled")
KVAL_NAMED(tensor_map_im2col, "cuTensorMapEncodeIm2col")
KVAL_NAMED(mem_alloc, "cuMemAlloc_v2")
KVAL_NAMED(mem_free, "cuMemFree_v2")
KVAL_NAMED(mem_create, "cuMemCreate")
KVAL_NAMED(mem_map, "cuMemMap")
KVAL_NAMED(mem_address_reserve, "cuMemAddressReserve")
KVAL_NAMED(mem_set_access, "cuMemSetAccess")
KVAL_NAMED(memcpy_htod, "cuMemcpyHtoD_v2")
KVAL_NAMED(memcpy_dtoh, "cuMemcpyDtoH_v2")
KVAL_NAMED(get_proc_address, "cuGetProcAddress_v2")
KVAL_NAMED(ctx_create, "cuCtxCreate_v4")
KVAL_NAMED(graph_launch, "cuGraphLaunch")
