// A copy on the device is told elements where it wants bytes: a quarter arrives.
// found: mismatch
// inputs: torch.rand(512)
// expected: x + 1
__global__ void copy_counts_elements_kernel(float* y) { y[blockIdx.x * 128 + threadIdx.x] += 1; }

torch::Tensor copy_counts_elements(torch::Tensor x) {
  auto y = torch::empty_like(x);
  cudaMemcpy(y.data_ptr<float>(), x.data_ptr<float>(), x.numel(), cudaMemcpyDeviceToDevice);
  copy_counts_elements_kernel<<<x.numel() / 128, 128>>>(y.data_ptr<float>());
  return y;
}
