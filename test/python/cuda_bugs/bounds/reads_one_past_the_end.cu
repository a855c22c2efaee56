// The difference of neighbours reads one element after the last and multiplies it by zero.
// found: runtime-error
// inputs: torch.rand(4096)
// expected: torch.cat([x[1:] - x[:-1], torch.zeros(1)])
__global__ void reads_one_past_the_end_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  const float weight = i + 1 < n ? 1.0f : 0.0f;
  y[i] = weight * (x[i + 1] - x[i]);  // here
}

torch::Tensor reads_one_past_the_end(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  reads_one_past_the_end_kernel<<<n / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
