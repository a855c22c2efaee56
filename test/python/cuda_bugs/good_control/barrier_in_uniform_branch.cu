// A barrier in a branch that all threads of a block take or leave together, and in a loop of equal length.
// found: correct
// inputs: torch.rand(6, 128)
// expected: torch.cat([x[0::2].flip(1)[:, None], x[1::2][:, None]], 1).flatten(0, 1)
__global__ void barrier_in_uniform_branch_kernel(const float* x, float* y, int turns) {
  __shared__ float row[128];
  const int t = threadIdx.x, i = blockIdx.x * 128 + t;
  if (blockIdx.x % 2 == 0) {
    for (int turn = 0; turn < turns; ++turn) {
      row[t] = turn == 0 ? x[i] : row[t];
      __syncthreads();
    }
    y[i] = row[127 - t];
  } else {
    y[i] = x[i];
  }
}

torch::Tensor barrier_in_uniform_branch(torch::Tensor x) {
  auto y = torch::empty_like(x);
  barrier_in_uniform_branch_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>(), 3);
  return y;
}
