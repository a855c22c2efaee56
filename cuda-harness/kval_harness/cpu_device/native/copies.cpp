// The CUDA runtime's memory: allocations, copies, fills. Device memory lies in the host's, so a copy is a memmove.
#include <climits>
#include <cstdint>
#include <cstring>

#include "engine.h"
#include "errors.h"
#include "memory.h"
#include "symbols.h"

namespace kval {
namespace {

constexpr size_t kPitch = 512;

cudaError_t give(void** pointer, size_t bytes, Kind kind) {
    if (pointer == nullptr) return done(cudaErrorInvalidValue);
    if (standing() != cudaSuccess) return standing();
    *pointer = nullptr;
    if (bytes == 0) return done();
    *pointer = allocate(bytes, kind);
    return done(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

// Gives memory back after a fault, too: the owners' destructors could not cope with a refusal.
cudaError_t take(void* pointer) {
    if (pointer == nullptr || release(pointer)) return cudaSuccess;
    return done(cudaErrorInvalidValue);
}

// Whether `bytes` from `pointer` may be copied; `device` says that it must be memory of CUDA's.
bool covers(const void* pointer, size_t bytes, bool device) {
    if (bytes == 0) return true;
    auto address = reinterpret_cast<uintptr_t>(pointer);
    Range range = find_range(address);
    if (range.bytes == 0) return !device && pointer != nullptr;
    return bytes <= range.bytes - (address - range.first);
}

bool reads_device(cudaMemcpyKind kind) { return kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice; }
bool writes_device(cudaMemcpyKind kind) { return kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice; }

cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    if (standing() != cudaSuccess) return standing();
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return done(cudaErrorInvalidMemcpyDirection);
    if (!covers(to, bytes, writes_device(kind)) || !covers(from, bytes, reads_device(kind))) {
        return done(cudaErrorInvalidValue);
    }
    if (bytes != 0) memmove(to, from, bytes);
    return done();
}

size_t extent_of(size_t pitch, size_t width, size_t height) {
    return width == 0 || height == 0 ? 0 : pitch * (height - 1) + width;
}

cudaError_t copy_rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                      cudaMemcpyKind kind) {
    if (standing() != cudaSuccess) return standing();
    if (width > to_pitch || width > from_pitch) return done(cudaErrorInvalidPitchValue);
    if (!covers(to, extent_of(to_pitch, width, height), writes_device(kind)) ||
        !covers(from, extent_of(from_pitch, width, height), reads_device(kind))) {
        return done(cudaErrorInvalidValue);
    }
    for (size_t row = 0; row < height; ++row) {
        memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    }
    return done();
}

cudaError_t fill(void* to, int value, size_t bytes) {
    if (standing() != cudaSuccess) return standing();
    if (!covers(to, bytes, true)) return done(cudaErrorInvalidValue);
    if (bytes != 0) memset(to, value, bytes);
    return done();
}

cudaError_t fill_rows(void* to, size_t pitch, int value, size_t width, size_t height) {
    if (standing() != cudaSuccess) return standing();
    if (width > pitch) return done(cudaErrorInvalidPitchValue);
    if (!covers(to, extent_of(pitch, width, height), true)) return done(cudaErrorInvalidValue);
    for (size_t row = 0; row < height; ++row) memset(static_cast<char*>(to) + row * pitch, value, width);
    return done();
}

cudaError_t fill_box(cudaPitchedPtr to, int value, cudaExtent extent) {
    for (size_t slice = 0; slice < extent.depth; ++slice) {
        char* first = static_cast<char*>(to.ptr) + slice * to.pitch * to.ysize;
        cudaError_t result = fill_rows(first, to.pitch, value, extent.width, extent.height);
        if (result != cudaSuccess) return result;
    }
    return done();
}

cudaError_t copy_box(const cudaMemcpy3DParms* p) {
    if (p == nullptr) return done(cudaErrorInvalidValue);
    if (p->srcArray != nullptr || p->dstArray != nullptr) return refuse("CUDA arrays");
    for (size_t slice = 0; slice < p->extent.depth; ++slice) {
        auto row = [&](const cudaPitchedPtr& side, const cudaPos& at) {
            return static_cast<char*>(side.ptr) + ((at.z + slice) * side.ysize + at.y) * side.pitch + at.x;
        };
        cudaError_t result = copy_rows(row(p->dstPtr, p->dstPos), p->dstPtr.pitch, row(p->srcPtr, p->srcPos),
                                       p->srcPtr.pitch, p->extent.width, p->extent.height, p->kind);
        if (result != cudaSuccess) return result;
    }
    return done();
}

cudaError_t copy_to_symbol(const void* symbol, const void* from, size_t bytes, size_t offset, cudaMemcpyKind kind) {
    Variable variable = find_symbol(symbol);
    if (variable.address == nullptr) return done(variable.error);
    if (offset > variable.bytes || bytes > variable.bytes - offset) return done(cudaErrorInvalidValue);
    return copy(static_cast<char*>(variable.address) + offset, from, bytes, kind);
}

cudaError_t copy_from_symbol(void* to, const void* symbol, size_t bytes, size_t offset, cudaMemcpyKind kind) {
    Variable variable = find_symbol(symbol);
    if (variable.address == nullptr) return done(variable.error);
    if (offset > variable.bytes || bytes > variable.bytes - offset) return done(cudaErrorInvalidValue);
    return copy(to, static_cast<char*>(variable.address) + offset, bytes, kind);
}

cudaMemPool_t only_pool() {
    static int pool;
    return reinterpret_cast<cudaMemPool_t>(&pool);
}

}  // namespace
}  // namespace kval

using namespace kval;

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return give(pointer, bytes, Kind::device); }
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) { return give(pointer, bytes, Kind::device); }
cudaError_t cudaMallocManaged(void** pointer, size_t bytes, unsigned) { return give(pointer, bytes, Kind::managed); }
cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return give(pointer, bytes, Kind::pinned); }
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) { return give(pointer, bytes, Kind::pinned); }

cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t bytes, cudaMemPool_t, cudaStream_t) {
    return give(pointer, bytes, Kind::device);
}

cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
    *pitch = (width + kPitch - 1) / kPitch * kPitch;
    return give(pointer, *pitch * height, Kind::device);
}

cudaError_t cudaMalloc3D(cudaPitchedPtr* found, cudaExtent extent) {
    size_t pitch = (extent.width + kPitch - 1) / kPitch * kPitch;
    void* first = nullptr;
    cudaError_t result = give(&first, pitch * extent.height * extent.depth, Kind::device);
    *found = cudaPitchedPtr{first, pitch, extent.width, extent.height};
    return result;
}

cudaError_t cudaFree(void* pointer) { return take(pointer); }
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) { return take(pointer); }
cudaError_t cudaFreeHost(void* pointer) { return take(pointer); }

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
    if (pointer == nullptr || bytes == 0) return done(cudaErrorInvalidValue);
    bool noted = note_range(pointer, bytes, Kind::registered);
    return done(noted ? cudaSuccess : cudaErrorHostMemoryAlreadyRegistered);
}

cudaError_t cudaHostUnregister(void* pointer) {
    return done(forget_range(pointer) ? cudaSuccess : cudaErrorHostMemoryNotRegistered);
}

cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) {
    bool known = kind_of(reinterpret_cast<uintptr_t>(host)) != Kind::none;
    *device = known ? host : nullptr;
    return done(known ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaHostGetFlags(unsigned* flags, void*) {
    *flags = cudaHostAllocMapped;
    return done();
}

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
    Capacity found = capacity();
    if (free_bytes != nullptr) *free_bytes = found.free_bytes;
    if (total_bytes != nullptr) *total_bytes = found.total_bytes;
    return done();
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, const void* pointer) {
    if (found == nullptr) return done(cudaErrorInvalidValue);
    memset(found, 0, sizeof *found);
    void* same = const_cast<void*>(pointer);
    switch (kind_of(reinterpret_cast<uintptr_t>(pointer))) {
        case Kind::none:
            found->type = cudaMemoryTypeUnregistered;
            found->device = -2;
            found->hostPointer = same;
            return done();
        case Kind::device:
        case Kind::variable:
            found->type = cudaMemoryTypeDevice;
            found->devicePointer = same;
            return done();
        case Kind::managed:
            found->type = cudaMemoryTypeManaged;
            break;
        case Kind::pinned:
        case Kind::registered:
            found->type = cudaMemoryTypeHost;
            break;
    }
    found->devicePointer = found->hostPointer = same;
    return done();
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
    return copy(to, from, bytes, kind);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
    return copy(to, from, bytes, kind);
}

cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t bytes) {
    return copy(to, from, bytes, cudaMemcpyDeviceToDevice);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t) {
    return copy(to, from, bytes, cudaMemcpyDeviceToDevice);
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
    return copy_rows(to, to_pitch, from, from_pitch, width, height, kind);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t) {
    return copy_rows(to, to_pitch, from, from_pitch, width, height, kind);
}

cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms* p) { return copy_box(p); }
cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* p, cudaStream_t) { return copy_box(p); }

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset, cudaMemcpyKind kind) {
    return copy_to_symbol(symbol, from, bytes, offset, kind);
}

cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t bytes, size_t offset,
                                    cudaMemcpyKind kind, cudaStream_t) {
    return copy_to_symbol(symbol, from, bytes, offset, kind);
}

cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset, cudaMemcpyKind kind) {
    return copy_from_symbol(to, symbol, bytes, offset, kind);
}

cudaError_t cudaMemcpyFromSymbolAsync(void* to, const void* symbol, size_t bytes, size_t offset, cudaMemcpyKind kind,
                                      cudaStream_t) {
    return copy_from_symbol(to, symbol, bytes, offset, kind);
}

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
    Variable variable = find_symbol(symbol);
    *address = variable.address;
    return done(variable.error);
}

cudaError_t cudaGetSymbolSize(size_t* bytes, const void* symbol) {
    Variable variable = find_symbol(symbol);
    *bytes = variable.bytes;
    return done(variable.error);
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) { return fill(to, value, bytes); }
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) { return fill(to, value, bytes); }

cudaError_t cudaMemset2D(void* to, size_t pitch, int value, size_t width, size_t height) {
    return fill_rows(to, pitch, value, width, height);
}

cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height, cudaStream_t) {
    return fill_rows(to, pitch, value, width, height);
}

cudaError_t cudaMemset3D(cudaPitchedPtr to, int value, cudaExtent extent) { return fill_box(to, value, extent); }

cudaError_t cudaMemset3DAsync(cudaPitchedPtr to, int value, cudaExtent extent, cudaStream_t) {
    return fill_box(to, value, extent);
}

cudaError_t cudaMemAdvise(const void*, size_t, cudaMemoryAdvise, cudaMemLocation) { return done(); }
cudaError_t cudaMemPrefetchAsync(const void*, size_t, cudaMemLocation, unsigned, cudaStream_t) { return done(); }

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
    *pool = only_pool();
    return done();
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) { return cudaDeviceGetDefaultMemPool(pool, device); }
cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return done(); }

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
    return cudaDeviceGetDefaultMemPool(pool, 0);
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return done(); }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return done(); }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return done(); }
cudaError_t cudaMemPoolSetAccess(cudaMemPool_t, const cudaMemAccessDesc*, size_t) { return done(); }

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr which, void* value) {
    bool is_int = which == cudaMemPoolReuseFollowEventDependencies || which == cudaMemPoolReuseAllowOpportunistic ||
                  which == cudaMemPoolReuseAllowInternalDependencies;
    memset(value, 0, is_int ? sizeof(int) : sizeof(uint64_t));
    return done();
}

// What a caller compiled for a default stream per thread asks for.
cudaError_t cudaMemcpy_ptds(void*, const void*, size_t, cudaMemcpyKind) __attribute__((alias("cudaMemcpy")));
cudaError_t cudaMemcpyAsync_ptsz(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t)
    __attribute__((alias("cudaMemcpyAsync")));
cudaError_t cudaMemset_ptds(void*, int, size_t) __attribute__((alias("cudaMemset")));
cudaError_t cudaMemsetAsync_ptsz(void*, int, size_t, cudaStream_t) __attribute__((alias("cudaMemsetAsync")));

}  // extern "C"
