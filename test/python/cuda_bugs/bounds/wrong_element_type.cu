// Halves are read as floats: twice as many bytes as there are.
// found: runtime-error
// inputs: torch.rand(512)
// expected: x.half().float() + 1
__global__ void wrong_element_type_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i < n) y[i] = x[i] + 1;  // here
}

torch::Tensor wrong_element_type(torch::Tensor x) {
  auto narrow = x.to(torch::kFloat16);
  auto y = torch::empty_like(x);
  const int n = x.numel();
  wrong_element_type_kernel<<<(n + 127) / 128, 128>>>((const float*)narrow.data_ptr(), y.data_ptr<float>(), n);
  return y;
}
