// Blocks and grids of three dimensions, none of them a power of two.
// found: correct
// inputs: torch.rand(7, 11, 13)
// expected: x.permute(2, 1, 0).contiguous()
__global__ void three_dimensions_kernel(const float* x, float* y, int a, int b, int c) {
  const int k = blockIdx.x * blockDim.x + threadIdx.x;
  const int j = blockIdx.y * blockDim.y + threadIdx.y;
  const int i = blockIdx.z * blockDim.z + threadIdx.z;
  if (i < a && j < b && k < c) y[(k * b + j) * a + i] = x[(i * b + j) * c + k];
}

torch::Tensor three_dimensions(torch::Tensor x) {
  const int a = x.size(0), b = x.size(1), c = x.size(2);
  auto y = torch::empty({c, b, a}, x.options());
  const dim3 block(5, 3, 2), grid((c + 4) / 5, (b + 2) / 3, (a + 1) / 2);
  three_dimensions_kernel<<<grid, block>>>(x.data_ptr<float>(), y.data_ptr<float>(), a, b, c);
  return y;
}
