// Blocks write partial sums; the one that takes the last ticket adds them, after fences.
// found: correct
// inputs: torch.rand(4096)
// expected: x.sum().reshape(1)
__global__ void last_block_adds_up_kernel(const float* x, float* parts, unsigned* tickets, float* y) {
  __shared__ float sums[128];
  __shared__ bool last;
  const int t = threadIdx.x;
  sums[t] = x[blockIdx.x * 128 + t];
  __syncthreads();
  for (int half = 64; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
    __syncthreads();
  }
  if (t == 0) {
    parts[blockIdx.x] = sums[0];
    __threadfence();
    last = atomicInc(tickets, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && t == 0) {
    float sum = 0;
    for (int block = 0; block < gridDim.x; ++block) sum += ((volatile float*)parts)[block];
    y[0] = sum;
  }
}

torch::Tensor last_block_adds_up(torch::Tensor x) {
  const int blocks = x.numel() / 128;
  auto y = torch::empty({1}, x.options());
  auto parts = torch::empty({blocks}, x.options());
  auto tickets = torch::zeros({1}, x.options().dtype(torch::kInt32));
  last_block_adds_up_kernel<<<blocks, 128>>>(
      x.data_ptr<float>(), parts.data_ptr<float>(), (unsigned*)tickets.data_ptr<int>(), y.data_ptr<float>());
  return y;
}
