// The launch asks for as many bytes of dynamic shared memory as there are elements.
// found: runtime-error
// inputs: torch.rand(4, 128)
// expected: x.flip(1)
__global__ void dynamic_array_too_small_kernel(const float* x, float* y) {
  extern __shared__ float row[];
  const int t = threadIdx.x;
  row[t] = x[blockIdx.x * 128 + t];  // here
  __syncthreads();
  y[blockIdx.x * 128 + t] = row[127 - t];
}

torch::Tensor dynamic_array_too_small(torch::Tensor x) {
  auto y = torch::empty_like(x);
  dynamic_array_too_small_kernel<<<x.size(0), 128, 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
