// Whole blocks only: the rest of the output keeps what was in memory before.
// found: mismatch
// inputs: torch.rand(1000)
// expected: 2 * x
__global__ void tail_not_written_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  y[i] = 2 * x[i];
}

torch::Tensor tail_not_written(torch::Tensor x) {
  auto y = torch::empty_like(x);
  tail_not_written_kernel<<<x.numel() / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
