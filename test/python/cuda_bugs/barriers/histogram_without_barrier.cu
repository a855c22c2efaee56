// The shared counters are zeroed by some threads while others already count.
// found: mismatch
// inputs: torch.randint(0, 96, (2048,), dtype=torch.int32)
// expected: torch.bincount(x, minlength=96).to(torch.int32)
__global__ void histogram_without_barrier_kernel(const int* x, int* y, int n) {
  __shared__ int counts[96];
  if (threadIdx.x >= 160) counts[threadIdx.x - 160] = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) atomicAdd(&counts[x[i]], 1);
  __syncthreads();
  if (threadIdx.x < 96) y[threadIdx.x] = counts[threadIdx.x];
}

torch::Tensor histogram_without_barrier(torch::Tensor x) {
  auto y = torch::zeros({96}, x.options());
  histogram_without_barrier_kernel<<<1, 256>>>(x.data_ptr<int>(), y.data_ptr<int>(), x.numel());
  return y;
}
