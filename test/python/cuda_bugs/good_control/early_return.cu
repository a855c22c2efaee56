// Threads of the tail return early; no barrier comes after.
// found: correct
// inputs: torch.rand(1000)
// expected: torch.sqrt(x)
__global__ void early_return_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  y[i] = sqrtf(x[i]);
}

torch::Tensor early_return(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  early_return_kernel<<<(n + 255) / 256, 256>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
