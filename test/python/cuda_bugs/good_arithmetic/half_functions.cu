// Square roots, rounding, negation, maxima and fused products in half and bfloat16.
// found: correct
// inputs: torch.rand(512) + 0.5
// expected: x.half().sqrt().float() + torch.round(x.half()).float() - x.bfloat16().float() + x.half().clamp(max=1.0).float()
#include <cuda_bf16.h>
#include <cuda_fp16.h>

__global__ void half_functions_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  const __half narrow = __float2half(x[i]);
  float sum = __half2float(hsqrt(narrow)) + __half2float(hrint(narrow));
  sum += __bfloat162float(__hneg(__float2bfloat16(x[i])));
  sum += __half2float(__hmin(narrow, __float2half(1.0f)));
  y[i] = __heq(__hmax(narrow, __float2half(0.25f)), narrow) ? sum : 0.0f;
}

torch::Tensor half_functions(torch::Tensor x) {
  auto y = torch::empty_like(x);
  half_functions_kernel<<<4, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
