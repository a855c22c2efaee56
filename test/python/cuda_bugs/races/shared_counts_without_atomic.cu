// Shared counters are incremented by plain additions.
// found: lint race
// inputs: torch.randint(0, 16, (2048,), dtype=torch.int32)
// expected: torch.bincount(x, minlength=16).to(torch.int32)
__global__ void shared_counts_without_atomic_kernel(const int* x, int* y, int n) {
  __shared__ int counts[16];
  if (threadIdx.x < 16) counts[threadIdx.x] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) counts[x[i]] += 1;
  __syncthreads();
  if (threadIdx.x < 16) y[threadIdx.x] = counts[threadIdx.x];
}

torch::Tensor shared_counts_without_atomic(torch::Tensor x) {
  auto y = torch::zeros({16}, x.options());
  shared_counts_without_atomic_kernel<<<1, 256>>>(x.data_ptr<int>(), y.data_ptr<int>(), x.numel());
  return y;
}
