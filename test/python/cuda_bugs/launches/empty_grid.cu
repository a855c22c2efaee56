// The number of blocks is rounded down to none.
// found: runtime-error or mismatch
// inputs: torch.rand(100)
// expected: x + 1
__global__ void empty_grid_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i < n) y[i] = x[i] + 1;
}

torch::Tensor empty_grid(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  empty_grid_kernel<<<n / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
