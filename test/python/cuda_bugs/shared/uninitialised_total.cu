// The shared total is added to before anybody has set it to zero.
// found: mismatch
// inputs: torch.rand(4, 128)
// expected: x.sum(dim=1)
__global__ void uninitialised_total_kernel(const float* x, float* y) {
  __shared__ float total;
  atomicAdd(&total, x[blockIdx.x * 128 + threadIdx.x]);
  __syncthreads();
  if (threadIdx.x == 0) y[blockIdx.x] = total;
}

torch::Tensor uninitialised_total(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  uninitialised_total_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
