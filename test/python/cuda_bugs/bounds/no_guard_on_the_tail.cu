// The last block is only partly needed, and nothing stops its other threads.
// found: runtime-error
// inputs: torch.rand(1000)
// expected: x * x
__global__ void no_guard_on_the_tail_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  y[i] = x[i] * x[i];  // here
}

torch::Tensor no_guard_on_the_tail(torch::Tensor x) {
  auto y = torch::empty_like(x);
  no_guard_on_the_tail_kernel<<<(x.numel() + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
