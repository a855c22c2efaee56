// cuBLAS: every matrix product is one plain struct, which torch multiplies on the CPU; vectors are added up here.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>

#include <cublas_v2.h>

#include "engine.h"
#include "errors.h"
#include "memory.h"

namespace kval {

// C = alpha * op(A) * op(B) + beta * C, column by column; C is not read where beta is 0, A and B not where alpha is.
// Types are cudaDataType, operations cublasOperation_t, strides count elements between the matrices of a batch.
struct Gemm {
    int32_t transposes_a, transposes_b;
    int64_t m, n, k, batch;
    const void* a;
    const void* b;
    void* c;
    int32_t a_type, b_type, c_type, compute;
    int64_t lda, ldb, ldc, stride_a, stride_b, stride_c;
    double alpha, beta;
};

namespace {

using Handler = int (*)(const Gemm*);
std::atomic<Handler> handler{nullptr};

struct Handle {
    cudaStream_t stream = nullptr;
    cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
    cublasAtomicsMode_t atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
};

Handle* of(cublasHandle_t handle) { return reinterpret_cast<Handle*>(handle); }

cublasStatus_t status_of(cudaError_t error) {
    return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t refuse_blas(const char* name) {
    char text[96];
    snprintf(text, sizeof text, "cuBLAS function %s", name);
    refuse(text);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

// False, with the fault noted, where `bytes` from `pointer` are not all in one allocation.
bool reaches(const char* function, const char* operand, const void* pointer, size_t bytes) {
    if (bytes == 0) return true;
    auto first = reinterpret_cast<uintptr_t>(pointer);
    Range range = find_range(first);
    if (range.bytes != 0 && bytes <= range.bytes - (first - range.first)) return true;
    uintptr_t wrong = range.bytes == 0 ? first : range.first + range.bytes;
    char where[128], text[320];
    describe_address(wrong, where, sizeof where);
    snprintf(text, sizeof text, "%s: operand %s of %zu bytes reaches out of its memory: %s", function, operand, bytes,
             where);
    note_fault(text);
    ended(cudaErrorIllegalAddress);
    return false;
}

size_t size_of(int type) {
    switch (type) {
        case CUDA_R_8I: return 1;
        case CUDA_R_16F:
        case CUDA_R_16BF: return 2;
        case CUDA_R_32F:
        case CUDA_R_32I: return 4;
        case CUDA_R_64F: return 8;
        default: return 0;
    }
}

size_t extent(int64_t rows, int64_t columns, int64_t ld, int64_t stride, int64_t batch, int type) {
    if (rows == 0 || columns == 0) return 0;
    return size_t((batch - 1) * stride + (columns - 1) * ld + rows) * size_of(type);
}

cublasStatus_t multiply(const char* function, const Gemm& g) {
    if (standing() != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    bool ta = g.transposes_a != CUBLAS_OP_N, tb = g.transposes_b != CUBLAS_OP_N;
    int64_t a_rows = ta ? g.k : g.m, a_columns = ta ? g.m : g.k, b_rows = tb ? g.n : g.k, b_columns = tb ? g.k : g.n;
    if (g.m < 0 || g.n < 0 || g.k < 0 || g.batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
    if (g.lda < std::max<int64_t>(1, a_rows) || g.ldb < std::max<int64_t>(1, b_rows) ||
        g.ldc < std::max<int64_t>(1, g.m)) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (g.m == 0 || g.n == 0 || g.batch == 0) return CUBLAS_STATUS_SUCCESS;
    if (size_of(g.a_type) == 0 || size_of(g.b_type) == 0 || size_of(g.c_type) == 0) {
        return refuse_blas((std::string(function) + " with complex or 8-bit floating matrices").c_str());
    }
    bool reads = g.alpha != 0 && g.k != 0;
    if (reads && (!reaches(function, "A", g.a, extent(a_rows, a_columns, g.lda, g.stride_a, g.batch, g.a_type)) ||
                  !reaches(function, "B", g.b, extent(b_rows, b_columns, g.ldb, g.stride_b, g.batch, g.b_type)))) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    if (!reaches(function, "C", g.c, extent(g.m, g.n, g.ldc, g.stride_c, g.batch, g.c_type))) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    Handler product = handler.load();
    return product == nullptr ? refuse_blas(function) : cublasStatus_t(product(&g));
}

template <class T>
constexpr int type_of() {
    return std::is_same_v<T, double> ? CUDA_R_64F : std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16F;
}

template <class T>
constexpr int compute_of() {
    return std::is_same_v<T, double> ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F;
}

// alpha and beta as the computation types them, on either side of the bus.
double scalar(const void* value, int compute) {
    switch (compute) {
        case CUBLAS_COMPUTE_16F:
        case CUBLAS_COMPUTE_16F_PEDANTIC: return double(__half2float(*static_cast<const __half*>(value)));
        case CUBLAS_COMPUTE_64F:
        case CUBLAS_COMPUTE_64F_PEDANTIC: return *static_cast<const double*>(value);
        case CUBLAS_COMPUTE_32I:
        case CUBLAS_COMPUTE_32I_PEDANTIC: return *static_cast<const int32_t*>(value);
        default: return *static_cast<const float*>(value);
    }
}

double number(float value) { return value; }
double number(double value) { return value; }
double number(__half value) { return double(__half2float(value)); }

template <class T>
cublasStatus_t gemm(const char* function, cublasOperation_t ta, cublasOperation_t tb, int64_t m, int64_t n, int64_t k,
                    const T* alpha, const T* a, int64_t lda, int64_t stride_a, const T* b, int64_t ldb,
                    int64_t stride_b, const T* beta, T* c, int64_t ldc, int64_t stride_c, int64_t batch) {
    constexpr int type = type_of<T>();
    return multiply(function, Gemm{ta, tb, m, n, k, batch, a, b, c, type, type, type, compute_of<T>(), lda, ldb, ldc,
                                   stride_a, stride_b, stride_c, number(*alpha), number(*beta)});
}

template <class T>
cublasStatus_t gemm_array(const char* function, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                          const T* alpha, const T* const* a, int lda, const T* const* b, int ldb, const T* beta,
                          T* const* c, int ldc, int batch) {
    size_t bytes = size_t(std::max(batch, 0)) * sizeof(void*);
    if (!reaches(function, "Aarray", a, bytes) || !reaches(function, "Barray", b, bytes) ||
        !reaches(function, "Carray", c, bytes)) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    for (int i = 0; i < batch; ++i) {
        auto status = gemm(function, ta, tb, m, n, k, alpha, a[i], lda, 0, b[i], ldb, 0, beta, c[i], ldc, 0, 1);
        if (status != CUBLAS_STATUS_SUCCESS) return status;
    }
    return CUBLAS_STATUS_SUCCESS;
}

// A vector is a matrix of one row, whose leading dimension is the increment: y' = x' * op(A)'.
template <class T>
cublasStatus_t gemv(const char* function, cublasOperation_t trans, int m, int n, const T* alpha, const T* a, int lda,
                    const T* x, int incx, const T* beta, T* y, int incy) {
    if (incx < 0 || incy < 0) return refuse_blas("with negative increments");
    bool plain = trans == CUBLAS_OP_N;
    return gemm<T>(function, CUBLAS_OP_N, plain ? CUBLAS_OP_T : CUBLAS_OP_N, 1, plain ? m : n, plain ? n : m, alpha, x,
                   incx, 0, a, lda, 0, beta, y, incy, 0, 1);
}

template <class T>
cublasStatus_t ger(const char* function, int m, int n, const T* alpha, const T* x, int incx, const T* y, int incy, T* a,
                   int lda) {
    if (incx < 0 || incy < 0) return refuse_blas("with negative increments");
    const T one = 1;
    return gemm<T>(function, CUBLAS_OP_T, CUBLAS_OP_N, m, n, 1, alpha, x, incx, 0, y, incy, 0, &one, a, lda, 0, 1);
}

template <class T>
cublasStatus_t geam(const char* function, cublasOperation_t ta, cublasOperation_t tb, int m, int n, const T* alpha,
                    const T* a, int lda, const T* beta, const T* b, int ldb, T* c, int ldc) {
    if (standing() != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (m < 0 || n < 0 || ldc < std::max(1, m)) return CUBLAS_STATUS_INVALID_VALUE;
    auto bytes = [&](cublasOperation_t t, int ld) {
        return t == CUBLAS_OP_N ? extent(m, n, ld, 0, 1, type_of<T>()) : extent(n, m, ld, 0, 1, type_of<T>());
    };
    if ((*alpha != 0 && !reaches(function, "A", a, bytes(ta, lda))) ||
        (*beta != 0 && !reaches(function, "B", b, bytes(tb, ldb))) ||
        !reaches(function, "C", c, bytes(CUBLAS_OP_N, ldc))) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    auto at = [](const T* x, cublasOperation_t t, int64_t ld, int64_t i, int64_t j) {
        return t == CUBLAS_OP_N ? x[j * ld + i] : x[i * ld + j];
    };
    for (int64_t j = 0; j < n; ++j) {
        for (int64_t i = 0; i < m; ++i) {
            T sum = *alpha == 0 ? T(0) : *alpha * at(a, ta, lda, i, j);
            c[j * ldc + i] = *beta == 0 ? sum : sum + *beta * at(b, tb, ldb, i, j);
        }
    }
    return CUBLAS_STATUS_SUCCESS;
}

template <class T>
bool vector_reaches(const char* function, const char* operand, const T* x, int n, int inc) {
    return n <= 0 || reaches(function, operand, x, (size_t(n - 1) * size_t(std::abs(inc)) + 1) * sizeof(T));
}

// Element i of n, as BLAS counts: a negative increment starts at the end.
template <class T>
T& element(T* x, int n, int inc, int i) {
    return x[inc >= 0 ? int64_t(i) * inc : int64_t(i - n + 1) * inc];
}

// Calls `body(i)` for each element of vectors that are all in their memory.
template <class X, class Y, class Body>
cublasStatus_t each(const char* function, int n, X* x, int incx, Y* y, int incy, Body body) {
    if (standing() != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!vector_reaches(function, "x", x, n, incx)) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (y != nullptr && !vector_reaches(function, "y", y, n, incy)) return CUBLAS_STATUS_EXECUTION_FAILED;
    for (int i = 0; i < n; ++i) body(i);
    return CUBLAS_STATUS_SUCCESS;
}

}  // namespace
}  // namespace kval

using namespace kval;

#define KVAL_GEMM(letter, T)                                                                                            \
    cublasStatus_t cublas##letter##gemm(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n,       \
                                        int k, const T* alpha, const T* a, int lda, const T* b, int ldb,                \
                                        const T* beta, T* c, int ldc) {                                                 \
        return gemm<T>("cublas" #letter "gemm", ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);      \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##gemmStridedBatched(                                                                  \
        cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const T* alpha, const T* a,    \
        int lda, long long stride_a, const T* b, int ldb, long long stride_b, const T* beta, T* c, int ldc,             \
        long long stride_c, int batch) {                                                                                \
        return gemm<T>("cublas" #letter "gemmStridedBatched", ta, tb, m, n, k, alpha, a, lda, stride_a, b, ldb,         \
                       stride_b, beta, c, ldc, stride_c, batch);                                                        \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##gemmBatched(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m,       \
                                               int n, int k, const T* alpha, const T* const a[], int lda,               \
                                               const T* const b[], int ldb, const T* beta, T* const c[], int ldc,       \
                                               int batch) {                                                             \
        return gemm_array<T>("cublas" #letter "gemmBatched", ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc,      \
                             batch);                                                                                    \
    }

#define KVAL_VECTORS(letter, small, T)                                                                                         \
    cublasStatus_t cublas##letter##gemv(cublasHandle_t, cublasOperation_t trans, int m, int n, const T* alpha,          \
                                        const T* a, int lda, const T* x, int incx, const T* beta, T* y, int incy) {     \
        return gemv<T>("cublas" #letter "gemv", trans, m, n, alpha, a, lda, x, incx, beta, y, incy);                    \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##ger(cublasHandle_t, int m, int n, const T* alpha, const T* x, int incx, const T* y,  \
                                       int incy, T* a, int lda) {                                                       \
        return ger<T>("cublas" #letter "ger", m, n, alpha, x, incx, y, incy, a, lda);                                   \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##geam(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n,       \
                                        const T* alpha, const T* a, int lda, const T* beta, const T* b, int ldb, T* c,  \
                                        int ldc) {                                                                      \
        return geam<T>("cublas" #letter "geam", ta, tb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);                     \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##axpy(cublasHandle_t, int n, const T* alpha, const T* x, int incx, T* y, int incy) {  \
        return each("cublas" #letter "axpy", n, x, incx, y, incy,                                                       \
                    [&](int i) { element(y, n, incy, i) += *alpha * element(x, n, incx, i); });                         \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##scal(cublasHandle_t, int n, const T* alpha, T* x, int incx) {                        \
        return each("cublas" #letter "scal", n, x, incx, static_cast<T*>(nullptr), 0,                                   \
                    [&](int i) { element(x, n, incx, i) *= *alpha; });                                                  \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##copy(cublasHandle_t, int n, const T* x, int incx, T* y, int incy) {                  \
        return each("cublas" #letter "copy", n, x, incx, y, incy,                                                       \
                    [&](int i) { element(y, n, incy, i) = element(x, n, incx, i); });                                   \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##swap(cublasHandle_t, int n, T* x, int incx, T* y, int incy) {                        \
        return each("cublas" #letter "swap", n, x, incx, y, incy,                                                       \
                    [&](int i) { std::swap(element(x, n, incx, i), element(y, n, incy, i)); });                         \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##dot(cublasHandle_t, int n, const T* x, int incx, const T* y, int incy, T* result) {  \
        double sum = 0;                                                                                                 \
        auto status = each("cublas" #letter "dot", n, x, incx, y, incy, [&](int i) {                                    \
            sum += double(element(x, n, incx, i)) * double(element(y, n, incy, i));                                     \
        });                                                                                                             \
        if (status == CUBLAS_STATUS_SUCCESS) *result = T(sum);                                                          \
        return status;                                                                                                  \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##nrm2(cublasHandle_t, int n, const T* x, int incx, T* result) {                       \
        double sum = 0;                                                                                                 \
        auto status = each("cublas" #letter "nrm2", n, x, incx, static_cast<const T*>(nullptr), 0, [&](int i) {         \
            sum += double(element(x, n, incx, i)) * double(element(x, n, incx, i));                                     \
        });                                                                                                             \
        if (status == CUBLAS_STATUS_SUCCESS) *result = T(std::sqrt(sum));                                               \
        return status;                                                                                                  \
    }                                                                                                                   \
    cublasStatus_t cublas##letter##asum(cublasHandle_t, int n, const T* x, int incx, T* result) {                       \
        double sum = 0;                                                                                                 \
        auto status = each("cublas" #letter "asum", n, x, incx, static_cast<const T*>(nullptr), 0,                      \
                           [&](int i) { sum += std::abs(double(element(x, n, incx, i))); });                            \
        if (status == CUBLAS_STATUS_SUCCESS) *result = T(sum);                                                          \
        return status;                                                                                                  \
    }                                                                                                                   \
    cublasStatus_t cublasI##small##amax(cublasHandle_t, int n, const T* x, int incx, int* result) {                    \
        int best = 0;                                                                                                   \
        auto status = each("cublasI" #small "amax", n, x, incx, static_cast<const T*>(nullptr), 0, [&](int i) {        \
            if (std::abs(element(x, n, incx, i)) > std::abs(element(x, n, incx, best))) best = i;                       \
        });                                                                                                             \
        if (status == CUBLAS_STATUS_SUCCESS) *result = n > 0 ? best + 1 : 0;                                            \
        return status;                                                                                                  \
    }

extern "C" {

// What multiplies from here on; it returns a cublasStatus_t.
void kval_blas_handler(int (*function)(const Gemm*)) { handler.store(function); }

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
    *handle = reinterpret_cast<cublasHandle_t>(new Handle);
    return status_of(done());
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
    delete of(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion(cublasHandle_t, int* version) {
    *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t, void*, size_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    of(handle)->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* stream) {
    *stream = of(handle)->stream;
    return CUBLAS_STATUS_SUCCESS;
}

// Both sides of the bus are one memory: the mode is kept, a scalar is read wherever it lies.
cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
    of(handle)->pointers = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetPointerMode(cublasHandle_t handle, cublasPointerMode_t* mode) {
    *mode = of(handle)->pointers;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    of(handle)->math = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
    *mode = of(handle)->math;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode) {
    of(handle)->atomics = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t* mode) {
    *mode = of(handle)->atomics;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMatrix(int rows, int columns, int size, const void* a, int lda, void* b, int ldb) {
    return status_of(cudaMemcpy2D(b, size_t(ldb) * size, a, size_t(lda) * size, size_t(rows) * size, size_t(columns),
                                  cudaMemcpyHostToDevice));
}

cublasStatus_t cublasGetMatrix(int rows, int columns, int size, const void* a, int lda, void* b, int ldb) {
    return status_of(cudaMemcpy2D(b, size_t(ldb) * size, a, size_t(lda) * size, size_t(rows) * size, size_t(columns),
                                  cudaMemcpyDeviceToHost));
}

cublasStatus_t cublasSetVector(int n, int size, const void* x, int incx, void* y, int incy) {
    return cublasSetMatrix(1, n, size, x, incx, y, incy);
}

cublasStatus_t cublasGetVector(int n, int size, const void* x, int incx, void* y, int incy) {
    return cublasGetMatrix(1, n, size, x, incx, y, incy);
}

KVAL_GEMM(S, float)
KVAL_GEMM(D, double)
KVAL_GEMM(H, __half)
KVAL_VECTORS(S, s, float)
KVAL_VECTORS(D, d, double)

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n,
                                          int k, const void* alpha, const void* a, cudaDataType a_type, int lda,
                                          long long stride_a, const void* b, cudaDataType b_type, int ldb,
                                          long long stride_b, const void* beta, void* c, cudaDataType c_type, int ldc,
                                          long long stride_c, int batch, cublasComputeType_t compute,
                                          cublasGemmAlgo_t) {
    return multiply("cublasGemmStridedBatchedEx",
                    Gemm{ta, tb, m, n, k, batch, a, b, c, a_type, b_type, c_type, compute, lda, ldb, ldc, stride_a,
                         stride_b, stride_c, scalar(alpha, compute), scalar(beta, compute)});
}

cublasStatus_t cublasGemmEx(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType a_type, int lda, const void* b,
                            cudaDataType b_type, int ldb, const void* beta, void* c, cudaDataType c_type, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
    return multiply("cublasGemmEx", Gemm{ta, tb, m, n, k, 1, a, b, c, a_type, b_type, c_type, compute, lda, ldb, ldc, 0,
                                         0, 0, scalar(alpha, compute), scalar(beta, compute)});
}

cublasStatus_t cublasGemmBatchedEx(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n,
                                   int k, const void* alpha, const void* const a[], cudaDataType a_type, int lda,
                                   const void* const b[], cudaDataType b_type, int ldb, const void* beta,
                                   void* const c[], cudaDataType c_type, int ldc, int batch,
                                   cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    size_t bytes = size_t(std::max(batch, 0)) * sizeof(void*);
    if (!reaches("cublasGemmBatchedEx", "Aarray", a, bytes) || !reaches("cublasGemmBatchedEx", "Barray", b, bytes) ||
        !reaches("cublasGemmBatchedEx", "Carray", c, bytes)) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    for (int i = 0; i < batch; ++i) {
        auto status = cublasGemmEx(handle, ta, tb, m, n, k, alpha, a[i], a_type, lda, b[i], b_type, ldb, beta, c[i],
                                   c_type, ldc, compute, algorithm);
        if (status != CUBLAS_STATUS_SUCCESS) return status;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemmEx(cublasHandle_t, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                             const float* alpha, const void* a, cudaDataType a_type, int lda, const void* b,
                             cudaDataType b_type, int ldb, const float* beta, void* c, cudaDataType c_type, int ldc) {
    return multiply("cublasSgemmEx", Gemm{ta, tb, m, n, k, 1, a, b, c, a_type, b_type, c_type, CUBLAS_COMPUTE_32F, lda,
                                          ldb, ldc, 0, 0, 0, *alpha, *beta});
}

}  // extern "C"
