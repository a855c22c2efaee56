// One lane adds for all lanes that are active with it, and hands their places out by a shuffle.
// found: correct
// inputs: torch.rand(1000)
// expected: (x > 0.3).sum().to(torch.int32).reshape(1)
__global__ void aggregated_atomics_kernel(const float* x, int* count, int* taken, int n) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  if (i < n && x[i] > 0.3f) {
    const unsigned active = __activemask();
    const int lane = threadIdx.x % 32, leader = __ffs(active) - 1;
    int place = 0;
    if (lane == leader) place = atomicAdd(count, __popc(active));
    place = __shfl_sync(active, place, leader) + __popc(active & ((1u << lane) - 1));
    atomicAdd(&taken[place], 1);
  }
}

__global__ void aggregated_atomics_check(const int* count, const int* taken, int* y) {
  int sum = 0;
  for (int i = 0; i < count[0]; ++i) sum += taken[i] == 1;
  y[0] = sum;
}

torch::Tensor aggregated_atomics(torch::Tensor x) {
  const int n = x.numel();
  auto integers = x.options().dtype(torch::kInt32);
  auto y = torch::empty({1}, integers), count = torch::zeros({1}, integers), taken = torch::zeros({n}, integers);
  aggregated_atomics_kernel<<<(n + 127) / 128, 128>>>(
      x.data_ptr<float>(), count.data_ptr<int>(), taken.data_ptr<int>(), n);
  aggregated_atomics_check<<<1, 1>>>(count.data_ptr<int>(), taken.data_ptr<int>(), y.data_ptr<int>());
  return y;
}
