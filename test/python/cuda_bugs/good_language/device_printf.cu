// A kernel that prints, and an assertion that holds.
// found: correct
// inputs: torch.rand(64)
// expected: x + 1
#include <assert.h>
#include <stdio.h>

__global__ void device_printf_kernel(const float* x, float* y, int n) {
  const int i = threadIdx.x;
  assert(i < n);
  if (i == 0) printf("the first of %d is %f, block %u, %s %c %lld\n", n, x[0], blockIdx.x, "word", 'c', 1LL << 40);
  y[i] = x[i] + 1;
}

torch::Tensor device_printf(torch::Tensor x) {
  auto y = torch::empty_like(x);
  device_printf_kernel<<<1, 64>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
  return y;
}
