// A counter and a table in device memory: set, changed by a kernel and read back by the host.
// found: correct
// inputs: torch.rand(512)
// expected: torch.stack([(x > 0.5).sum(), (x <= 0.5).sum()]).to(torch.int32)
__device__ int device_variables_counts[2];

__global__ void device_variables_kernel(const float* x) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  atomicAdd(&device_variables_counts[x[i] > 0.5f ? 0 : 1], 1);
}

torch::Tensor device_variables(torch::Tensor x) {
  int counts[2] = {0, 0};
  cudaMemcpyToSymbol(device_variables_counts, counts, sizeof(counts));
  device_variables_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>());
  void* place = nullptr;
  cudaGetSymbolAddress(&place, device_variables_counts);
  auto y = torch::empty({2}, x.options().dtype(torch::kInt32));
  cudaMemcpy(y.data_ptr<int>(), place, sizeof(counts), cudaMemcpyDeviceToDevice);
  cudaMemcpyFromSymbol(counts, device_variables_counts, sizeof(counts));
  TORCH_CHECK(counts[0] + counts[1] == x.numel(), "the host read ", counts[0], " and ", counts[1]);
  return y;
}
