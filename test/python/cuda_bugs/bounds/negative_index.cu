// A stencil reads the element before the first one and multiplies it by zero.
// found: runtime-error
// inputs: torch.rand(512)
// expected: torch.cat([x[:1], x[1:] + x[:-1]])
__global__ void negative_index_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  const float weight = i > 0 ? 1.0f : 0.0f;
  y[i] = x[i] + weight * x[i - 1];  // here
}

torch::Tensor negative_index(torch::Tensor x) {
  auto y = torch::empty_like(x);
  negative_index_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
