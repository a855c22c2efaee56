// Threads compare with the shared maximum and then write it: two of them can pass the test at once.
// found: lint race
// inputs: torch.rand(4, 128)
// expected: x.amax(dim=1)
__global__ void shared_maximum_without_atomic_kernel(const float* x, float* y) {
  __shared__ float top;
  if (threadIdx.x == 0) top = 0;
  __syncthreads();
  const float value = x[blockIdx.x * 128 + threadIdx.x];
  if (value > top) top = value;
  __syncthreads();
  if (threadIdx.x == 0) y[blockIdx.x] = top;
}

torch::Tensor shared_maximum_without_atomic(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  shared_maximum_without_atomic_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
