// The last thread reads behind the only shared array of its block.
// found: runtime-error or mismatch
// inputs: torch.rand(4, 128)
// expected: x + x.roll(-1, dims=1)
__global__ void reads_past_the_static_array_kernel(const float* x, float* y) {
  __shared__ float values[128];
  const int t = threadIdx.x;
  values[t] = x[blockIdx.x * 128 + t];
  __syncthreads();
  y[blockIdx.x * 128 + t] = values[t] + values[t + 1];
}

torch::Tensor reads_past_the_static_array(torch::Tensor x) {
  auto y = torch::empty_like(x);
  reads_past_the_static_array_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
