// Reads and writes right up to both ends of every array, with sizes that no alignment hides.
// found: correct
// inputs: torch.rand(1013), torch.randint(0, 127, (1013,), dtype=torch.int8)
// expected: x.roll(-1) + y.roll(1)
__global__ void last_elements_kernel(const float* x, const signed char* y, float* z, int n) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  if (i < n) z[i] = x[i + 1 < n ? i + 1 : 0] + y[i > 0 ? i - 1 : n - 1];
}

torch::Tensor last_elements(torch::Tensor x, torch::Tensor y) {
  auto z = torch::empty_like(x);
  const int n = x.numel();
  last_elements_kernel<<<(n + 63) / 64, 64>>>(
      x.data_ptr<float>(), (const signed char*)y.data_ptr<int8_t>(), z.data_ptr<float>(), n);
  return z;
}
