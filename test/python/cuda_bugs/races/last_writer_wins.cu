// Every thread writes its own value into one shared slot, and whoever comes last decides.
// found: mismatch
// inputs: torch.rand(4, 128)
// expected: x - x[:, :1]
__global__ void last_writer_wins_kernel(const float* x, float* y) {
  __shared__ float first;
  const float value = x[blockIdx.x * 128 + threadIdx.x];
  first = value;
  __syncthreads();
  y[blockIdx.x * 128 + threadIdx.x] = value - first;
}

torch::Tensor last_writer_wins(torch::Tensor x) {
  auto y = torch::empty_like(x);
  last_writer_wins_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
