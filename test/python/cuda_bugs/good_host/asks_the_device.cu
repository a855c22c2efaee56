// The launch is chosen by what the runtime says about the device and the kernel.
// found: correct
// inputs: torch.rand(5000)
// expected: x * 0.5
__global__ void asks_the_device_kernel(const float* x, float* y, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) y[i] = 0.5f * x[i];
}

torch::Tensor asks_the_device(torch::Tensor x) {
  auto y = torch::empty_like(x);
  int device = -1, processors = 0, warp = 0, blocks = 0, smallest = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  cudaDeviceProp properties;
  cudaGetDeviceProperties(&properties, device);
  warp = properties.warpSize;
  cudaFuncAttributes attributes;
  cudaFuncGetAttributes(&attributes, asks_the_device_kernel);
  int threads = 256;
  cudaOccupancyMaxPotentialBlockSize(&smallest, &threads, asks_the_device_kernel, 0, 256);
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, asks_the_device_kernel, threads, 0);
  TORCH_CHECK(processors > 0 && warp == 32 && blocks > 0, processors, " ", warp, " ", blocks);
  TORCH_CHECK(threads % warp == 0 && threads <= attributes.maxThreadsPerBlock, "threads ", threads);
  asks_the_device_kernel<<<2, threads>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
  return y;
}
