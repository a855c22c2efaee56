// Threads without an element put a zero into a product.
// found: mismatch
// inputs: torch.rand(8, 100) + 0.5
// expected: x.prod(dim=1)
__global__ void product_from_zero_kernel(const float* x, float* y, int columns) {
  __shared__ float parts[128];
  const int t = threadIdx.x;
  parts[t] = t < columns ? x[blockIdx.x * columns + t] : 0.0f;
  __syncthreads();
  for (int half = 64; half > 0; half /= 2) {
    if (t < half) parts[t] *= parts[t + half];
    __syncthreads();
  }
  if (t == 0) y[blockIdx.x] = parts[0];
}

torch::Tensor product_from_zero(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  product_from_zero_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
