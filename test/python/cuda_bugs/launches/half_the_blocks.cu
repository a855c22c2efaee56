// Each block handles 256 elements, but the grid is counted as if it were 512.
// found: mismatch
// inputs: torch.rand(4096)
// expected: x + 1
__global__ void half_the_blocks_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i < n) y[i] = x[i] + 1;
}

torch::Tensor half_the_blocks(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  half_the_blocks_kernel<<<(n + 511) / 512, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
