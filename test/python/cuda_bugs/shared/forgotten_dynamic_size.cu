// The launch forgets its third argument: there is no dynamic shared memory at all.
// found: runtime-error
// inputs: torch.rand(4, 64)
// expected: x.flip(1)
__global__ void forgotten_dynamic_size_kernel(const float* x, float* y) {
  extern __shared__ float row[];
  row[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];  // here
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = row[63 - threadIdx.x];
}

torch::Tensor forgotten_dynamic_size(torch::Tensor x) {
  auto y = torch::empty_like(x);
  forgotten_dynamic_size_kernel<<<x.size(0), 64>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
