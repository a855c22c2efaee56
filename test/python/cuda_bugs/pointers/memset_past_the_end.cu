// The accumulator is cleared with twice its size.
// found: runtime-error
// inputs: torch.rand(512)
// expected: x
__global__ void memset_past_the_end_kernel(const float* x, float* y) {
  y[blockIdx.x * 128 + threadIdx.x] += x[blockIdx.x * 128 + threadIdx.x];
}

torch::Tensor memset_past_the_end(torch::Tensor x) {
  auto y = torch::empty_like(x);
  TORCH_CHECK(cudaMemset(y.data_ptr<float>(), 0, x.numel() * sizeof(double)) == cudaSuccess, "cudaMemset failed");
  memset_past_the_end_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
