// Four floats at once are read from an address that is no multiple of sixteen.
// found: runtime-error
// inputs: torch.rand(1025)
// expected: x[1:] + 1
__global__ void misaligned_float4_kernel(const float* x, float* y) {
  const int i = blockIdx.x * 64 + threadIdx.x;
  const float4 four = reinterpret_cast<const float4*>(x + 1)[i];  // here
  y[4 * i] = four.x + 1;
  y[4 * i + 1] = four.y + 1;
  y[4 * i + 2] = four.z + 1;
  y[4 * i + 3] = four.w + 1;
}

torch::Tensor misaligned_float4(torch::Tensor x) {
  auto y = torch::empty({1024}, x.options());
  misaligned_float4_kernel<<<4, 64>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
