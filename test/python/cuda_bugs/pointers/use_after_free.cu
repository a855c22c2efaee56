// The workspace is freed between the kernel that fills it and the one that reads it.
// found: runtime-error
// inputs: torch.rand(512)
// expected: 2 * x + 1
__global__ void use_after_free_fill(const float* x, float* w) {
  w[blockIdx.x * 128 + threadIdx.x] = 2 * x[blockIdx.x * 128 + threadIdx.x];
}

__global__ void use_after_free_kernel(const float* w, float* y) {
  y[blockIdx.x * 128 + threadIdx.x] = w[blockIdx.x * 128 + threadIdx.x] + 1;  // here
}

torch::Tensor use_after_free(torch::Tensor x) {
  auto y = torch::empty_like(x);
  float* workspace = nullptr;
  cudaMalloc(&workspace, x.numel() * sizeof(float));
  use_after_free_fill<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), workspace);
  cudaFree(workspace);
  use_after_free_kernel<<<x.numel() / 128, 128>>>(workspace, y.data_ptr<float>());
  return y;
}
