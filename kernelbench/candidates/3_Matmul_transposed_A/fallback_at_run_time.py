# expected: rejected no-kernel-launched
# the wrapper always refuses and the except clause calls PyTorch
import torch
import torch.nn as nn
from torch.utils.cpp_extension import load_inline

cuda_source = """
#include <torch/extension.h>

constexpr int T = 16;

__global__ void matmul_ta_kernel(const float* A, const float* B, float* C, int M, int K, int N) {
    __shared__ float At[T][T];
    __shared__ float Bt[T][T];
    int m0 = blockIdx.y * T;
    int n = blockIdx.x * T + threadIdx.x;
    int m_load = m0 + threadIdx.x;
    int m = m0 + threadIdx.y;
    float acc = 0;
    for (int k0 = 0; k0 < K; k0 += T) {
        int k = k0 + threadIdx.y;
        At[threadIdx.y][threadIdx.x] = (k < K && m_load < M) ? A[(size_t)k * M + m_load] : 0.0f;
        Bt[threadIdx.y][threadIdx.x] = (k < K && n < N) ? B[(size_t)k * N + n] : 0.0f;
        __syncthreads();
        for (int i = 0; i < T; i++) {
            acc += At[i][threadIdx.y] * Bt[i][threadIdx.x];
        }
        __syncthreads();
    }
    if (m < M && n < N) C[(size_t)m * N + n] = acc;
}

torch::Tensor matmul_ta(torch::Tensor A, torch::Tensor B) {
    TORCH_CHECK(A.scalar_type() == torch::kHalf, "only half precision is supported");
    int K = A.size(0);
    int M = A.size(1);
    int N = B.size(1);
    auto C = torch::empty({M, N}, torch::TensorOptions().dtype(A.dtype()).device(A.device()));
    dim3 block(T, T);
    dim3 grid((N + T - 1) / T, (M + T - 1) / T);
    matmul_ta_kernel<<<grid, block>>>(A.data_ptr<float>(), B.data_ptr<float>(), C.data_ptr<float>(), M, K, N);
    cudaError_t err = cudaGetLastError();
    TORCH_CHECK(err == cudaSuccess, "kernel launch failed: ", cudaGetErrorString(err));
    return C;
}
"""

matmul_ta = load_inline(
    name="matmul_ta",
    cpp_sources="torch::Tensor matmul_ta(torch::Tensor A, torch::Tensor B);",
    cuda_sources=cuda_source,
    functions=["matmul_ta"],
    verbose=True,
    extra_cflags=["-O3"],
    extra_cuda_cflags=["-O3", "--use_fast_math"],
)


class ModelNew(nn.Module):
    def __init__(self):
        super(ModelNew, self).__init__()
        self.op = matmul_ta

    def forward(self, A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
        try:
            return self.op.matmul_ta(A.contiguous(), B.contiguous())
        except RuntimeError:
            return torch.matmul(A.T, B)
