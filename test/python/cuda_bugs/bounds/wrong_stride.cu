// Rows of the right matrix are taken to be as long as those of the left one.
// found: runtime-error or mismatch
// inputs: torch.rand(16, 40), torch.rand(40, 24)
// expected: x @ y
__global__ void wrong_stride_kernel(const float* a, const float* b, float* c, int k, int n) {
  const int row = blockIdx.x, column = threadIdx.x;
  float sum = 0;
  for (int i = 0; i < k; ++i) sum += a[row * k + i] * b[i * k + column];  // here
  c[row * n + column] = sum;
}

torch::Tensor wrong_stride(torch::Tensor a, torch::Tensor b) {
  auto c = torch::empty({a.size(0), b.size(1)}, a.options());
  wrong_stride_kernel<<<a.size(0), b.size(1)>>>(
      a.data_ptr<float>(), b.data_ptr<float>(), c.data_ptr<float>(), a.size(1), b.size(1));
  return c;
}
