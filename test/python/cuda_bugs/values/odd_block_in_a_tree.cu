// A tree over ninety-six threads loses a third of the sum at the first odd level.
// found: mismatch
// inputs: torch.rand(8, 96)
// expected: x.sum(dim=1)
__global__ void odd_block_in_a_tree_kernel(const float* x, float* y) {
  __shared__ float sums[96];
  const int t = threadIdx.x;
  sums[t] = x[blockIdx.x * 96 + t];
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
    __syncthreads();
  }
  if (t == 0) y[blockIdx.x] = sums[0];
}

torch::Tensor odd_block_in_a_tree(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  odd_block_in_a_tree_kernel<<<x.size(0), 96>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
