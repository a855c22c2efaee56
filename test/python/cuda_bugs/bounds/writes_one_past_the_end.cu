// The guard compares with <= and lets one thread write behind the output.
// found: runtime-error
// inputs: torch.rand(1000)
// expected: 2 * x
__global__ void writes_one_past_the_end_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i <= n) {
    const float value = i < n ? x[i] : 0.0f;
    y[i] = 2 * value;  // here
  }
}

torch::Tensor writes_one_past_the_end(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  writes_one_past_the_end_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
