// A launch that is too large fails, the error is read and cleared, and a smaller one does the work.
// found: correct
// inputs: torch.rand(512)
// expected: x + 1
__global__ void recovers_from_an_error_kernel(const float* x, float* y, int n) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = x[i] + 1;
}

torch::Tensor recovers_from_an_error(torch::Tensor x) {
  auto y = torch::empty_like(x);
  int threads = 4096;
  while (true) {
    recovers_from_an_error_kernel<<<1, threads>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return y;
    TORCH_CHECK(error == cudaErrorInvalidConfiguration, cudaGetErrorName(error), ": ", cudaGetErrorString(error));
    threads /= 2;
  }
}
