// The zero at the end of a row is written behind the first of two shared arrays and lands in the second.
// found: runtime-error or mismatch
// inputs: torch.rand(4, 128) + 1
// expected: x + torch.nn.functional.pad(x, (0, 1))[:, 1:]
__global__ void past_a_static_array_kernel(const float* x, float* y) {
  __shared__ float values[128];
  __shared__ float copies[128];
  const int t = threadIdx.x;
  copies[t] = x[blockIdx.x * 128 + t];
  values[t] = x[blockIdx.x * 128 + t];
  __syncthreads();
  if (t == 127) values[t + 1] = 0;
  __syncthreads();
  y[blockIdx.x * 128 + t] = copies[t] + values[t + 1];
}

torch::Tensor past_a_static_array(torch::Tensor x) {
  auto y = torch::empty_like(x);
  past_a_static_array_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
