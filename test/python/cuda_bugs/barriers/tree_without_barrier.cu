// The tree reduction never waits: a level reads sums that other warps have not written yet.
// found: mismatch
// inputs: torch.rand(6, 256)
// expected: x.sum(dim=1)
__global__ void tree_without_barrier_kernel(const float* x, float* y) {
  __shared__ float sums[256];
  const int t = threadIdx.x;
  sums[t] = x[blockIdx.x * 256 + t];
  __syncthreads();
  for (int half = 128; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
  }
  if (t == 0) y[blockIdx.x] = sums[0];
}

torch::Tensor tree_without_barrier(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  tree_without_barrier_kernel<<<x.size(0), 256>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
