// A matrix product with two buffers a tile: one barrier a step is enough.
// found: correct
// inputs: torch.rand(32, 64), torch.rand(64, 48)
// expected: x @ y
__global__ void tiles_double_buffered_kernel(const float* a, const float* b, float* c, int k, int n) {
  __shared__ float left[2][16][17], right[2][16][17];
  const int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * 16 + ty, column = blockIdx.x * 16 + tx;
  float sum = 0;
  left[0][ty][tx] = a[row * k + tx];
  right[0][ty][tx] = b[ty * n + column];
  __syncthreads();
  for (int step = 0; step < k / 16; ++step) {
    const int now = step & 1;
    if (step + 1 < k / 16) {
      left[now ^ 1][ty][tx] = a[row * k + (step + 1) * 16 + tx];
      right[now ^ 1][ty][tx] = b[((step + 1) * 16 + ty) * n + column];
    }
#pragma unroll
    for (int i = 0; i < 16; ++i) sum += left[now][ty][i] * right[now][i][tx];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

torch::Tensor tiles_double_buffered(torch::Tensor a, torch::Tensor b) {
  const int m = a.size(0), k = a.size(1), n = b.size(1);
  auto c = torch::empty({m, n}, a.options());
  tiles_double_buffered_kernel<<<dim3(n / 16, m / 16), dim3(16, 16)>>>(
      a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), k, n);
  return c;
}
