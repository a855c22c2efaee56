// A filter in constant memory, copied there by symbol before the launch; and a table with initial values.
// found: correct
// inputs: torch.rand(512), torch.rand(5)
// expected: torch.nn.functional.conv1d(x.view(1, 1, -1), y.view(1, 1, -1)).view(-1) * torch.tensor([1.0, -2.0]).repeat(254)
__constant__ float constant_memory_filter[5];
__constant__ float constant_memory_signs[2] = {1.0f, -2.0f};

__global__ void constant_memory_kernel(const float* x, float* y, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i >= n) return;
  float sum = 0;
  for (int j = 0; j < 5; ++j) sum += constant_memory_filter[j] * x[i + j];
  y[i] = sum * constant_memory_signs[i % 2];
}

torch::Tensor constant_memory(torch::Tensor x, torch::Tensor filter) {
  const int n = x.numel() - 4;
  auto y = torch::empty({n}, x.options());
  cudaMemcpyToSymbol(
      constant_memory_filter, filter.data_ptr<float>(), 5 * sizeof(float), 0, cudaMemcpyDeviceToDevice);
  constant_memory_kernel<<<(n + 127) / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
