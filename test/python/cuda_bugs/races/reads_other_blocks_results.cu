// Each block adds to what the block before it writes in the same launch.
// found: mismatch
// inputs: torch.rand(16, 64)
// expected: x.cumsum(dim=0)
__global__ void reads_other_blocks_results_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  y[i] = x[i] + (blockIdx.x > 0 ? y[i - 64] : 0.0f);
}

torch::Tensor reads_other_blocks_results(torch::Tensor x) {
  auto y = torch::empty_like(x);
  reads_other_blocks_results_kernel<<<x.size(0), 64>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
