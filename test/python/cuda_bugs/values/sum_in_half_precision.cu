// A long sum is kept in half precision.
// found: mismatch
// inputs: torch.rand(8, 2048)
// expected: x.mean(dim=1)
#include <cuda_fp16.h>

__global__ void sum_in_half_precision_kernel(const float* x, float* y, int columns) {
  __half sum = __float2half(0.0f);
  for (int c = 0; c < columns; ++c) sum = __hadd(sum, __float2half(x[threadIdx.x * columns + c]));
  y[threadIdx.x] = __half2float(sum) / columns;
}

torch::Tensor sum_in_half_precision(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  sum_in_half_precision_kernel<<<1, x.size(0)>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
