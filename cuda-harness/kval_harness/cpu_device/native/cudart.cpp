// The CUDA runtime's device and errors.
#include <atomic>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include <dlfcn.h>
#include <unistd.h>

#include "engine.h"
#include "errors.h"
#include "memory.h"

namespace kval {
namespace {

std::atomic<int> fault_code{cudaSuccess};
thread_local cudaError_t last_error = cudaSuccess;

constexpr int kVersion = 13000;

bool stands(cudaError_t error) {
    switch (error) {
        case cudaErrorIllegalAddress:
        case cudaErrorAssert:
        case cudaErrorHardwareStackError:
        case cudaErrorIllegalInstruction:
        case cudaErrorMisalignedAddress:
        case cudaErrorInvalidAddressSpace:
        case cudaErrorInvalidPc:
        case cudaErrorLaunchFailure:
        case cudaErrorLaunchTimeout:
            return true;
        default:
            return false;
    }
}

thread_local bool asking_for_words = false;

// libcudart's own words, where it is loaded: they need no driver.
const char* original(const char* function, cudaError_t error) {
    static void* library = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
    using Words = const char* (*)(cudaError_t);
    auto words = library == nullptr ? nullptr : reinterpret_cast<Words>(dlsym(library, function));
    if (words == nullptr) return "CUDA error";
    asking_for_words = true;  // it looks for a driver first, finds ours, and goes on without
    const char* text = words(error);
    asking_for_words = false;
    return text;
}

// Callers keep the pointer for as long as they like.
const char* keep(std::string text) {
    static std::mutex lock;
    static auto* texts = new std::set<std::string>;
    std::lock_guard<std::mutex> guard(lock);
    return texts->insert(std::move(text)).first->c_str();
}

// An H100's figures (compute capability 9.0).
cudaDeviceProp properties() {
    cudaDeviceProp p;
    memset(&p, 0, sizeof p);
    strcpy(p.name, "CUDA in software");
    memcpy(&p.uuid, "kval-cpu-device", 16);
    p.totalGlobalMem = capacity().total_bytes;
    p.sharedMemPerBlock = 48 << 10;
    p.regsPerBlock = p.regsPerMultiprocessor = 65536;
    p.warpSize = 32;
    p.memPitch = 0x7fffffff;
    p.maxThreadsPerBlock = p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
    p.maxThreadsDim[2] = 64;
    p.maxGridSize[0] = 0x7fffffff;
    p.maxGridSize[1] = p.maxGridSize[2] = 65535;
    p.totalConstMem = 64 << 10;
    p.major = 9;
    p.textureAlignment = p.surfaceAlignment = 512;
    p.texturePitchAlignment = 32;
    p.multiProcessorCount = 132;
    p.canMapHostMemory = p.concurrentKernels = p.ECCEnabled = p.unifiedAddressing = 1;
    p.pciBusID = 1;
    p.asyncEngineCount = 3;
    p.memoryBusWidth = 5120;
    p.l2CacheSize = 50 << 20;
    p.persistingL2CacheMaxSize = 30 << 20;
    p.maxThreadsPerMultiProcessor = 2048;
    p.streamPrioritiesSupported = p.globalL1CacheSupported = p.localL1CacheSupported = 1;
    p.sharedMemPerMultiprocessor = 228 << 10;
    p.managedMemory = p.concurrentManagedAccess = p.computePreemptionSupported = 1;
    p.canUseHostPointerForRegisteredMem = p.hostRegisterSupported = p.cooperativeLaunch = 1;
    p.sharedMemPerBlockOptin = 227 << 10;
    p.maxBlocksPerMultiProcessor = 32;
    p.accessPolicyMaxWindowSize = 128 << 20;
    p.reservedSharedMemPerBlock = 1 << 10;
    p.memoryPoolsSupported = p.unifiedFunctionPointers = p.clusterLaunch = 1;
    p.hostNumaId = p.deviceNumaId = -1;
    return p;
}

int attribute(cudaDeviceAttr which) {
    const cudaDeviceProp p = properties();
    switch (which) {
        case cudaDevAttrMaxThreadsPerBlock: return p.maxThreadsPerBlock;
        case cudaDevAttrMaxBlockDimX: return p.maxThreadsDim[0];
        case cudaDevAttrMaxBlockDimY: return p.maxThreadsDim[1];
        case cudaDevAttrMaxBlockDimZ: return p.maxThreadsDim[2];
        case cudaDevAttrMaxGridDimX: return p.maxGridSize[0];
        case cudaDevAttrMaxGridDimY: return p.maxGridSize[1];
        case cudaDevAttrMaxGridDimZ: return p.maxGridSize[2];
        case cudaDevAttrMaxSharedMemoryPerBlock: return int(p.sharedMemPerBlock);
        case cudaDevAttrTotalConstantMemory: return int(p.totalConstMem);
        case cudaDevAttrWarpSize: return p.warpSize;
        case cudaDevAttrMaxPitch: return int(p.memPitch);
        case cudaDevAttrMaxRegistersPerBlock: return p.regsPerBlock;
        case cudaDevAttrClockRate: return 1980000;
        case cudaDevAttrTextureAlignment: return int(p.textureAlignment);
        case cudaDevAttrTexturePitchAlignment: return int(p.texturePitchAlignment);
        case cudaDevAttrSurfaceAlignment: return int(p.surfaceAlignment);
        case cudaDevAttrMultiProcessorCount: return p.multiProcessorCount;
        case cudaDevAttrMemoryClockRate: return 2619000;
        case cudaDevAttrGlobalMemoryBusWidth: return p.memoryBusWidth;
        case cudaDevAttrL2CacheSize: return p.l2CacheSize;
        case cudaDevAttrMaxPersistingL2CacheSize: return p.persistingL2CacheMaxSize;
        case cudaDevAttrMaxAccessPolicyWindowSize: return p.accessPolicyMaxWindowSize;
        case cudaDevAttrMaxThreadsPerMultiProcessor: return p.maxThreadsPerMultiProcessor;
        case cudaDevAttrAsyncEngineCount: return p.asyncEngineCount;
        case cudaDevAttrComputeCapabilityMajor: return p.major;
        case cudaDevAttrComputeCapabilityMinor: return p.minor;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return int(p.sharedMemPerMultiprocessor);
        case cudaDevAttrMaxRegistersPerMultiprocessor: return p.regsPerMultiprocessor;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: return int(p.sharedMemPerBlockOptin);
        case cudaDevAttrMaxBlocksPerMultiprocessor: return p.maxBlocksPerMultiProcessor;
        case cudaDevAttrReservedSharedMemoryPerBlock: return int(p.reservedSharedMemPerBlock);
        case cudaDevAttrSingleToDoublePrecisionPerfRatio: return 2;
        case cudaDevAttrPciBusId: return p.pciBusID;
        case cudaDevAttrMemSyncDomainCount: return 4;
        case cudaDevAttrHostNumaId: return p.hostNumaId;
        case cudaDevAttrNumaId: return p.deviceNumaId;
        case cudaDevAttrGpuOverlap:
        case cudaDevAttrCanMapHostMemory:
        case cudaDevAttrConcurrentKernels:
        case cudaDevAttrEccEnabled:
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrStreamPrioritiesSupported:
        case cudaDevAttrGlobalL1CacheSupported:
        case cudaDevAttrLocalL1CacheSupported:
        case cudaDevAttrManagedMemory:
        case cudaDevAttrConcurrentManagedAccess:
        case cudaDevAttrComputePreemptionSupported:
        case cudaDevAttrCanUseHostPointerForRegisteredMem:
        case cudaDevAttrCooperativeLaunch:
        case cudaDevAttrHostRegisterSupported:
        case cudaDevAttrMemoryPoolsSupported:
        case cudaDevAttrClusterLaunch: return 1;
        default: return 0;
    }
}

}  // namespace

cudaError_t standing() { return cudaError_t(fault_code.load(std::memory_order_relaxed)); }

cudaError_t done(cudaError_t result) {
    if (standing() != cudaSuccess) return standing();
    if (result != cudaSuccess) last_error = result;
    return result;
}

cudaError_t ended(cudaError_t result) {
    int none = cudaSuccess;
    if (stands(result)) fault_code.compare_exchange_strong(none, result);
    return done(result);
}

cudaError_t refuse(const char* construct) {
    if (asking_for_words) return cudaErrorNotSupported;
    note_unsupported(construct);
    return done(cudaErrorNotSupported);
}

}  // namespace kval

using namespace kval;

extern "C" {

cudaError_t cudaGetLastError(void) {
    cudaError_t error = standing() != cudaSuccess ? standing() : last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return standing() != cudaSuccess ? standing() : last_error; }

const char* cudaGetErrorName(cudaError_t error) { return original("cudaGetErrorName", error); }

const char* cudaGetErrorString(cudaError_t error) {
    const char* words = original("cudaGetErrorString", error);
    const char* more = error == cudaErrorNotSupported ? unsupported() : stands(error) ? fault() : "";
    return more == nullptr || *more == '\0' ? words : keep(std::string(words) + ": " + more);
}

cudaError_t cudaGetDeviceCount(int* count) {
    *count = 1;
    return done();
}

cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return done();
}

cudaError_t cudaSetDevice(int device) { return done(device == 0 ? cudaSuccess : cudaErrorInvalidDevice); }

cudaError_t cudaInitDevice(int device, unsigned, unsigned) { return cudaSetDevice(device); }
cudaError_t cudaSetValidDevices(int*, int) { return done(); }
cudaError_t cudaSetDeviceFlags(unsigned) { return done(); }

cudaError_t cudaGetDeviceFlags(unsigned* flags) {
    *flags = 0;
    return done();
}

cudaError_t cudaChooseDevice(int* device, const cudaDeviceProp*) { return cudaGetDevice(device); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* found, int device) {
    if (found == nullptr) return done(cudaErrorInvalidValue);
    if (device != 0) return done(cudaErrorInvalidDevice);
    *found = properties();
    return done();
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
    if (value == nullptr || which <= 0 || which >= cudaDevAttrMax) return done(cudaErrorInvalidValue);
    if (device != 0) return done(cudaErrorInvalidDevice);
    *value = attribute(which);
    return done();
}

cudaError_t cudaDriverGetVersion(int* version) {
    *version = kVersion;
    return done();
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = kVersion;
    return done();
}

cudaError_t cudaDeviceReset(void) { return done(); }
cudaError_t cudaDeviceSynchronize(void) { return done(); }
cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) { return done(); }

cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
    *value = limit == cudaLimitStackSize ? 1 << 10 : limit == cudaLimitPrintfFifoSize ? 1 << 20 : 8 << 20;
    return done();
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return done(); }

cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* config) {
    *config = cudaFuncCachePreferNone;
    return done();
}

cudaError_t cudaDeviceSetSharedMemConfig(cudaSharedMemConfig) { return done(); }

cudaError_t cudaDeviceGetSharedMemConfig(cudaSharedMemConfig* config) {
    *config = cudaSharedMemBankSizeFourByte;
    return done();
}

cudaError_t cudaCtxResetPersistingL2Cache(void) { return done(); }

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int) {
    if (length < 13) return done(cudaErrorInvalidValue);
    strcpy(id, "0000:01:00.0");
    return done();
}

cudaError_t cudaDeviceGetByPCIBusId(int* device, const char*) { return cudaGetDevice(device); }

cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
    *can = 0;
    return done();
}

cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return done(cudaErrorInvalidDevice); }
cudaError_t cudaDeviceDisablePeerAccess(int) { return done(cudaErrorPeerAccessNotEnabled); }

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
    if (least != nullptr) *least = 0;
    if (greatest != nullptr) *greatest = -5;
    return done();
}

cudaError_t cudaProfilerStart(void) { return done(); }
cudaError_t cudaProfilerStop(void) { return done(); }

}  // extern "C"
