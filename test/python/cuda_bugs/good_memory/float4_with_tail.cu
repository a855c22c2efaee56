// Four at a time where all four are there, one at a time for the rest; an odd length.
// found: correct
// inputs: torch.rand(1027)
// expected: torch.exp(-x)
__global__ void float4_with_tail_kernel(const float* __restrict__ x, float* __restrict__ y, int n) {
  const int i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
  if (i + 3 < n) {
    const float4 four = __ldg(reinterpret_cast<const float4*>(x + i));
    *reinterpret_cast<float4*>(y + i) = make_float4(expf(-four.x), expf(-four.y), expf(-four.z), expf(-four.w));
  } else {
    for (int j = i; j < n; ++j) y[j] = expf(-__ldg(x + j));
  }
}

torch::Tensor float4_with_tail(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int n = x.numel();
  float4_with_tail_kernel<<<(n + 511) / 512, 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), n);
  return y;
}
