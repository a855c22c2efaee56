// A view is not contiguous, but the kernel walks its memory as if it were.
// found: mismatch
// inputs: torch.rand(24, 40)
// expected: 2 * x.t()
__global__ void transposed_layout_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i < n) y[i] = 2 * x[i];
}

torch::Tensor transposed_layout(torch::Tensor x) {
  auto view = x.t();
  auto y = torch::empty({view.size(0), view.size(1)}, x.options());
  const int n = x.numel();
  transposed_layout_kernel<<<(n + 127) / 128, 128>>>(view.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
