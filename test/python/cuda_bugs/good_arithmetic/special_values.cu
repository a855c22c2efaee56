// Infinities, NaN and signed zeros through comparisons, minima and conversions.
// found: correct
// inputs: torch.cat([torch.randn(60) * 1e10, torch.tensor([float("inf"), -float("inf"), 0.0, -0.0])])
// expected: torch.stack([x.isinf().int(), (x > 0).int(), x.clamp(-2**31, 2147483520).to(torch.int32), torch.signbit(x).int()], 1)
#include <math_constants.h>

__global__ void special_values_kernel(const float* x, int* y) {
  const float v = x[threadIdx.x];
  int* out = y + threadIdx.x * 4;
  const float nan = CUDART_NAN_F;
  out[0] = isinf(v) && !isnan(v) && isnan(v * nan);
  out[1] = fmaxf(v, nan) > 0.0f && !(nan > v) && v != nan;
  out[2] = __float2int_rz(fminf(fmaxf(v, -2147483648.0f), 2147483520.0f));
  out[3] = signbit(v) != 0;
}

torch::Tensor special_values(torch::Tensor x) {
  auto y = torch::empty({x.numel(), 4}, x.options().dtype(torch::kInt32));
  special_values_kernel<<<1, x.numel()>>>(x.data_ptr<float>(), y.data_ptr<int>());
  return y;
}
