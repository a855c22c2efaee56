// An inclusive scan adds into the array that the other threads are still reading.
// found: mismatch
// inputs: torch.rand(4, 128)
// expected: x.cumsum(dim=1)
__global__ void scan_without_barrier_kernel(const float* x, float* y) {
  __shared__ float sums[128];
  const int t = threadIdx.x;
  sums[t] = x[blockIdx.x * 128 + t];
  __syncthreads();
  for (int distance = 1; distance < 128; distance *= 2) {
    if (t >= distance) sums[t] += sums[t - distance];
    __syncthreads();
  }
  y[blockIdx.x * 128 + t] = sums[t];
}

torch::Tensor scan_without_barrier(torch::Tensor x) {
  auto y = torch::empty_like(x);
  scan_without_barrier_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
