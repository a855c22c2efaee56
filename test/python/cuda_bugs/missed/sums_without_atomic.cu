// Blocks add to the same global sums without atomics. Here one block runs after the other, and no addition is lost.
// found: nothing
// inputs: torch.rand(16, 64)
// expected: x.sum(dim=0)
__global__ void sums_without_atomic_kernel(const float* x, float* y, int columns) {
  y[threadIdx.x] += x[blockIdx.x * columns + threadIdx.x];
}

torch::Tensor sums_without_atomic(torch::Tensor x) {
  auto y = torch::zeros({x.size(1)}, x.options());
  sums_without_atomic_kernel<<<x.size(0), x.size(1)>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
