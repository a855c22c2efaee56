// The next tile is loaded while slower threads still multiply with the last one.
// found: mismatch
// inputs: torch.rand(32, 48), torch.rand(48, 64)
// expected: x @ y
__global__ void tile_overwritten_kernel(const float* a, const float* b, float* c, int k, int n) {
  __shared__ float left[16][16], right[16][16];
  const int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int start = 0; start < k; start += 16) {
    left[threadIdx.y][threadIdx.x] = a[row * k + start + threadIdx.x];
    right[threadIdx.y][threadIdx.x] = b[(start + threadIdx.y) * n + column];
    __syncthreads();
    for (int i = 0; i < 16; ++i) sum += left[threadIdx.y][i] * right[i][threadIdx.x];
  }
  c[row * n + column] = sum;
}

torch::Tensor tile_overwritten(torch::Tensor a, torch::Tensor b) {
  const int m = a.size(0), k = a.size(1), n = b.size(1);
  auto c = torch::empty({m, n}, a.options());
  tile_overwritten_kernel<<<dim3(n / 16, m / 16), dim3(16, 16)>>>(
      a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), k, n);
  return c;
}
