// Arrays of a thread's own with indices that only the data tells, sorted by insertion.
// found: correct
// inputs: torch.rand(128, 16)
// expected: x.sort(dim=1).values
__global__ void local_arrays_kernel(const float* x, float* y) {
  float own[16];
  const int t = blockIdx.x * 64 + threadIdx.x;
  for (int i = 0; i < 16; ++i) {
    const float value = x[t * 16 + i];
    int place = i;
    while (place > 0 && own[place - 1] > value) {
      own[place] = own[place - 1];
      --place;
    }
    own[place] = value;
  }
  for (int i = 0; i < 16; ++i) y[t * 16 + i] = own[i];
}

torch::Tensor local_arrays(torch::Tensor x) {
  auto y = torch::empty_like(x);
  local_arrays_kernel<<<2, 64>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
