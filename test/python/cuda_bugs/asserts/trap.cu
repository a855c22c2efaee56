// The kernel gives up with __trap() where a value is larger than it expects.
// found: runtime-error
// inputs: torch.rand(512) + 1
// expected: x + 1
__global__ void trap_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (x[i] > 0.5f) __trap();
  y[i] = x[i] + 1;
}

torch::Tensor trap(torch::Tensor x) {
  auto y = torch::empty_like(x);
  trap_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
