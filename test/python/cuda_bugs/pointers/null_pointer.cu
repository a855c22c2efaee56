// An optional bias that is not there is read all the same.
// found: runtime-error
// inputs: torch.rand(512)
// expected: x
__global__ void null_pointer_kernel(const float* x, const float* bias, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  y[i] = x[i] + bias[i % 8];  // here
}

torch::Tensor null_pointer(torch::Tensor x) {
  auto y = torch::empty_like(x);
  null_pointer_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), nullptr, y.data_ptr<float>());
  return y;
}
