// A table in the host's memory is handed to the kernel.
// found: runtime-error
// inputs: torch.rand(512)
// expected: x * torch.arange(8).repeat(64)
__global__ void host_pointer_kernel(const float* x, const float* table, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  y[i] = x[i] * table[i % 8];  // here
}

torch::Tensor host_pointer(torch::Tensor x) {
  const std::vector<float> table = {0, 1, 2, 3, 4, 5, 6, 7};
  auto y = torch::empty_like(x);
  host_pointer_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), table.data(), y.data_ptr<float>());
  return y;
}
