// The maximum starts at zero, and rows of negative numbers have a smaller one.
// found: mismatch
// inputs: -torch.rand(8, 100) - 0.5
// expected: x.amax(dim=1)
__global__ void maximum_from_zero_kernel(const float* x, float* y, int columns) {
  float top = 0;
  for (int c = threadIdx.x; c < columns; c += 32) top = fmaxf(top, x[blockIdx.x * columns + c]);
  for (int offset = 16; offset > 0; offset /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffff, top, offset));
  if (threadIdx.x == 0) y[blockIdx.x] = top;
}

torch::Tensor maximum_from_zero(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  maximum_from_zero_kernel<<<x.size(0), 32>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
