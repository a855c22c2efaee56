// What is interposed only to say by name that the software device does not do it.
#include <cuda_runtime_api.h>

#include "errors.h"

// The libraries beside CUDA's runtime have statuses of their own; each of these is their "not supported" or failure.
#define KVAL_REFUSED(type, status, name, construct) \
    type name() {                                   \
        kval::refuse(construct);                    \
        return status;                              \
    }

namespace {

using Status = int;

constexpr Status kCublasNotSupported = 15, kCudnnNotSupported = 3000;
constexpr Status kCufftNotSupported = 16, kCurandInitializationFailed = 203;
constexpr Status kCusparseNotSupported = 10, kCusolverNotSupported = 9, kNcclSystemError = 2, kNvrtcFailed = 6;

}  // namespace

extern "C" {

void kval_refuse(const char* construct) { kval::refuse(construct); }

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) { return kval::refuse("CUDA graphs"); }
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t*) { return kval::refuse("CUDA graphs"); }
cudaError_t cudaGraphCreate(cudaGraph_t*, unsigned) { return kval::refuse("CUDA graphs"); }
cudaError_t cudaGraphDestroy(cudaGraph_t) { return kval::refuse("CUDA graphs"); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return kval::refuse("CUDA graphs"); }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t*, cudaGraph_t, unsigned long long) {
    return kval::refuse("CUDA graphs");
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t*, cudaGraph_t, unsigned long long) {
    return kval::refuse("CUDA graphs");
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return kval::refuse("CUDA graphs"); }

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t*, void*) { return kval::refuse("CUDA IPC"); }
cudaError_t cudaIpcOpenMemHandle(void**, cudaIpcMemHandle_t, unsigned) { return kval::refuse("CUDA IPC"); }
cudaError_t cudaIpcCloseMemHandle(void*) { return kval::refuse("CUDA IPC"); }
cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t*, cudaEvent_t) { return kval::refuse("CUDA IPC"); }
cudaError_t cudaIpcOpenEventHandle(cudaEvent_t*, cudaIpcEventHandle_t) { return kval::refuse("CUDA IPC"); }

cudaError_t cudaCreateTextureObject(cudaTextureObject_t*, const cudaResourceDesc*, const cudaTextureDesc*,
                                    const cudaResourceViewDesc*) {
    return kval::refuse("texture objects");
}
cudaError_t cudaCreateSurfaceObject(cudaSurfaceObject_t*, const cudaResourceDesc*) {
    return kval::refuse("surface objects");
}
cudaError_t cudaMallocArray(cudaArray_t*, const cudaChannelFormatDesc*, size_t, size_t, unsigned) {
    return kval::refuse("CUDA arrays");
}
cudaError_t cudaMalloc3DArray(cudaArray_t*, const cudaChannelFormatDesc*, cudaExtent, unsigned) {
    return kval::refuse("CUDA arrays");
}
cudaError_t cudaMallocMipmappedArray(cudaMipmappedArray_t*, const cudaChannelFormatDesc*, cudaExtent, unsigned,
                                     unsigned) {
    return kval::refuse("CUDA arrays");
}
cudaError_t cudaLibraryLoadData(cudaLibrary_t*, const void*, cudaJitOption*, void**, unsigned, cudaLibraryOption*,
                                void**, unsigned) {
    return kval::refuse("kernels loaded while the program runs (cudaLibraryLoadData)");
}
cudaError_t cudaLibraryLoadFromFile(cudaLibrary_t*, const char*, cudaJitOption*, void**, unsigned, cudaLibraryOption*,
                                    void**, unsigned) {
    return kval::refuse("kernels loaded while the program runs (cudaLibraryLoadFromFile)");
}
cudaError_t cudaOccupancyMaxPotentialClusterSize(int*, const void*, const cudaLaunchConfig_t*) {
    return kval::refuse("thread block clusters");
}
cudaError_t cudaOccupancyMaxActiveClusters(int*, const void*, const cudaLaunchConfig_t*) {
    return kval::refuse("thread block clusters");
}

KVAL_REFUSED(Status, kCublasNotSupported, cublasLtCreate, "cuBLASLt")
KVAL_REFUSED(Status, kCublasNotSupported, cublasLtMatmul, "cuBLASLt")
KVAL_REFUSED(Status, kCublasNotSupported, cublasXtCreate, "cuBLASXt")
KVAL_REFUSED(Status, kCublasNotSupported, cublasCgemm_v2, "cuBLAS function cublasCgemm")
KVAL_REFUSED(Status, kCublasNotSupported, cublasZgemm_v2, "cuBLAS function cublasZgemm")
KVAL_REFUSED(Status, kCublasNotSupported, cublasCgemv_v2, "cuBLAS function cublasCgemv")
KVAL_REFUSED(Status, kCublasNotSupported, cublasSsymm_v2, "cuBLAS function cublasSsymm")
KVAL_REFUSED(Status, kCublasNotSupported, cublasSsyrk_v2, "cuBLAS function cublasSsyrk")
KVAL_REFUSED(Status, kCublasNotSupported, cublasSsymv_v2, "cuBLAS function cublasSsymv")
KVAL_REFUSED(Status, kCublasNotSupported, cublasStrmm_v2, "cuBLAS function cublasStrmm")
KVAL_REFUSED(Status, kCublasNotSupported, cublasStrmv_v2, "cuBLAS function cublasStrmv")
KVAL_REFUSED(Status, kCublasNotSupported, cublasStrsm_v2, "cuBLAS function cublasStrsm")
KVAL_REFUSED(Status, kCublasNotSupported, cublasDtrsm_v2, "cuBLAS function cublasDtrsm")
KVAL_REFUSED(Status, kCublasNotSupported, cublasStrsv_v2, "cuBLAS function cublasStrsv")
KVAL_REFUSED(Status, kCublasNotSupported, cublasSdgmm, "cuBLAS function cublasSdgmm")
KVAL_REFUSED(Status, kCudnnNotSupported, cudnnCreate, "cuDNN")
KVAL_REFUSED(Status, kCufftNotSupported, cufftCreate, "cuFFT")
KVAL_REFUSED(Status, kCufftNotSupported, cufftPlan1d, "cuFFT")
KVAL_REFUSED(Status, kCufftNotSupported, cufftPlan2d, "cuFFT")
KVAL_REFUSED(Status, kCufftNotSupported, cufftPlan3d, "cuFFT")
KVAL_REFUSED(Status, kCufftNotSupported, cufftPlanMany, "cuFFT")
KVAL_REFUSED(Status, kCurandInitializationFailed, curandCreateGenerator, "cuRAND's host functions")
KVAL_REFUSED(Status, kCusparseNotSupported, cusparseCreate, "cuSPARSE")
KVAL_REFUSED(Status, kCusolverNotSupported, cusolverDnCreate, "cuSOLVER")
KVAL_REFUSED(Status, kCusolverNotSupported, cusolverSpCreate, "cuSOLVER")
KVAL_REFUSED(Status, kNcclSystemError, ncclCommInitRank, "NCCL")
KVAL_REFUSED(Status, kNcclSystemError, ncclCommInitAll, "NCCL")
KVAL_REFUSED(Status, kNvrtcFailed, nvrtcCreateProgram, "NVRTC")

}  // extern "C"
