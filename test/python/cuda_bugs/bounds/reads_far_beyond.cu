// The index is multiplied by the row length twice and points megabytes behind the input.
// found: runtime-error
// inputs: torch.rand(64, 512)
// expected: 3 * x
__global__ void reads_far_beyond_kernel(const float* x, float* y, int columns) {
  const int row = blockIdx.x * columns, column = threadIdx.x;
  y[row + column] = 3 * x[(long long)row * columns + column];  // here
}

torch::Tensor reads_far_beyond(torch::Tensor x) {
  auto y = torch::empty_like(x);
  reads_far_beyond_kernel<<<x.size(0), x.size(1)>>>(x.data_ptr<float>(), y.data_ptr<float>(), x.size(1));
  return y;
}
