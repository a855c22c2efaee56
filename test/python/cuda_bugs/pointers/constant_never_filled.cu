// The filter in constant memory is never copied there.
// found: mismatch
// inputs: torch.rand(512)
// expected: x * torch.tensor([1.0, 2.0, 3.0, 4.0]).repeat(128)
__constant__ float constant_never_filled_weights[4];

__global__ void constant_never_filled_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  y[i] = x[i] * constant_never_filled_weights[i % 4];
}

torch::Tensor constant_never_filled(torch::Tensor x) {
  auto y = torch::empty_like(x);
  constant_never_filled_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
