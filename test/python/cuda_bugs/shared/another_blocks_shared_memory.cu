// The first block leaves the mean in shared memory, and the others look for it there.
// found: mismatch
// inputs: torch.rand(8, 128)
// expected: x - x[0].mean()
__global__ void another_blocks_shared_memory_kernel(const float* x, float* y) {
  __shared__ float mean;
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < 128; ++i) sum += x[i];
    mean = sum / 128;
  }
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x] - mean;
}

torch::Tensor another_blocks_shared_memory(torch::Tensor x) {
  auto y = torch::empty_like(x);
  another_blocks_shared_memory_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
