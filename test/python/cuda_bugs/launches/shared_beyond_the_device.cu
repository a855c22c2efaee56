// The opt-in itself is refused: no block has 300 KB of shared memory.
// found: runtime-error or mismatch
// inputs: torch.rand(1, 76800)
// expected: x.flip(1)
__global__ void shared_beyond_the_device_kernel(const float* x, float* y, int columns) {
  extern __shared__ float huge_row[];
  for (int i = threadIdx.x; i < columns; i += blockDim.x) huge_row[i] = x[i];
  __syncthreads();
  for (int i = threadIdx.x; i < columns; i += blockDim.x) y[i] = huge_row[columns - 1 - i];
}

torch::Tensor shared_beyond_the_device(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int columns = x.size(1), bytes = columns * sizeof(float);
  cudaFuncSetAttribute(shared_beyond_the_device_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  shared_beyond_the_device_kernel<<<1, 256, bytes>>>(x.data_ptr<float>(), y.data_ptr<float>(), columns);
  return y;
}
