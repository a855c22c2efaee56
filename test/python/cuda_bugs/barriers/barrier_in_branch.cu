// Only some threads of the block come to the barrier; the others never meet one.
// found: lint divergent-barrier or lint exited-at-barrier or mismatch or runtime-error
// inputs: torch.rand(4, 128)
// expected: x + x.flip(1)
__global__ void barrier_in_branch_kernel(const float* x, float* y) {
  __shared__ float values[128];
  const int t = threadIdx.x;
  values[t] = x[blockIdx.x * 128 + t];
  if (t < 48) __syncthreads();
  y[blockIdx.x * 128 + t] = values[t] + values[127 - t];
}

torch::Tensor barrier_in_branch(torch::Tensor x) {
  auto y = torch::empty_like(x);
  barrier_in_branch_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
