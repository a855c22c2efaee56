// 60 KB of dynamic shared memory, asked for as it must be.
// found: correct
// inputs: torch.rand(2, 15360)
// expected: x.flip(1)
__global__ void opted_in_shared_memory_kernel(const float* x, float* y, int columns) {
  extern __shared__ float opted_in_row[];
  for (int i = threadIdx.x; i < columns; i += blockDim.x) opted_in_row[i] = x[blockIdx.x * columns + i];
  __syncthreads();
  for (int i = threadIdx.x; i < columns; i += blockDim.x) y[blockIdx.x * columns + i] = opted_in_row[columns - 1 - i];
}

torch::Tensor opted_in_shared_memory(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int columns = x.size(1), bytes = columns * sizeof(float);
  cudaFuncSetAttribute(opted_in_shared_memory_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  opted_in_shared_memory_kernel<<<x.size(0), 256, bytes>>>(x.data_ptr<float>(), y.data_ptr<float>(), columns);
  TORCH_CHECK(cudaGetLastError() == cudaSuccess, "the launch failed");
  return y;
}
