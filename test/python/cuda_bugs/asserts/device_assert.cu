// An assertion of the kernel's own does not hold.
// found: runtime-error
// inputs: torch.rand(512)
// expected: x + 1
#include <assert.h>

__global__ void device_assert_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  assert(i < n - 1);
  y[i] = x[i] + 1;
}

torch::Tensor device_assert(torch::Tensor x) {
  auto y = torch::empty_like(x);
  device_assert_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
  return y;
}
