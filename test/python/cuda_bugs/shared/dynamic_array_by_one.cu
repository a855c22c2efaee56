// An exclusive scan keeps its total in one more element than the launch paid for.
// found: runtime-error
// inputs: torch.rand(4, 128)
// expected: x.sum(dim=1)
__global__ void dynamic_array_by_one_kernel(const float* x, float* y, int columns) {
  extern __shared__ float sums[];
  const int t = threadIdx.x;
  if (t == 0) {
    float sum = 0;
    for (int i = 0; i < columns; ++i) {
      sums[i] = sum;
      sum += x[blockIdx.x * columns + i];
    }
    sums[columns] = sum;  // here
  }
  __syncthreads();
  if (t == 1) y[blockIdx.x] = sums[columns];
}

torch::Tensor dynamic_array_by_one(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  const int columns = x.size(1);
  dynamic_array_by_one_kernel<<<x.size(0), 64, columns * sizeof(float)>>>(
      x.data_ptr<float>(), y.data_ptr<float>(), columns);
  return y;
}
