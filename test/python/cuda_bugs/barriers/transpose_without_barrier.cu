// A transposed tile is written out before the rest of the block has filled it.
// found: mismatch
// inputs: torch.rand(64, 96)
// expected: x.t().contiguous()
__global__ void transpose_without_barrier_kernel(const float* x, float* y, int rows, int columns) {
  __shared__ float tile[32][33];
  const int left = blockIdx.x * 32, top = blockIdx.y * 32;
  for (int i = threadIdx.y; i < 32; i += 8) tile[i][threadIdx.x] = x[(top + i) * columns + left + threadIdx.x];
  for (int i = threadIdx.y; i < 32; i += 8) y[(left + i) * rows + top + threadIdx.x] = tile[threadIdx.x][i];
}

torch::Tensor transpose_without_barrier(torch::Tensor x) {
  const int rows = x.size(0), columns = x.size(1);
  auto y = torch::empty({columns, rows}, x.options());
  transpose_without_barrier_kernel<<<dim3(columns / 32, rows / 32), dim3(32, 8)>>>(
      x.data_ptr<float>(), y.data_ptr<float>(), rows, columns);
  return y;
}
