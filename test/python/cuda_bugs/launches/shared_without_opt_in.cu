// More than 48 KB of dynamic shared memory must be asked for by cudaFuncSetAttribute.
// found: runtime-error or mismatch
// inputs: torch.rand(2, 15360)
// expected: x.flip(1)
__global__ void shared_without_opt_in_kernel(const float* x, float* y, int columns) {
  extern __shared__ float whole_row[];
  for (int i = threadIdx.x; i < columns; i += blockDim.x) whole_row[i] = x[blockIdx.x * columns + i];
  __syncthreads();
  for (int i = threadIdx.x; i < columns; i += blockDim.x) y[blockIdx.x * columns + i] = whole_row[columns - 1 - i];
}

torch::Tensor shared_without_opt_in(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int columns = x.size(1);
  shared_without_opt_in_kernel<<<x.size(0), 256, columns * sizeof(float)>>>(
      x.data_ptr<float>(), y.data_ptr<float>(), columns);
  return y;
}
