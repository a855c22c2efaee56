// A grid-stride loop with far fewer threads than elements, unrolled.
// found: correct
// inputs: torch.rand(5000)
// expected: x * x + 1
__global__ void grid_stride_kernel(const float* __restrict__ x, float* __restrict__ y, int64_t n) {
#pragma unroll 4
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)blockDim.x * gridDim.x) {
    y[i] = fmaf(x[i], x[i], 1.0f);
  }
}

torch::Tensor grid_stride(torch::Tensor x) {
  auto y = torch::empty_like(x);
  grid_stride_kernel<<<3, 96>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
  return y;
}
