// One dynamic allocation carved into arrays of doubles, floats, ints and bytes.
// found: correct
// inputs: torch.rand(4, 64)
// expected: x.flip(1) * 2 + x.double().cumsum(1).float() + torch.arange(64) % 3
__global__ void carved_shared_memory_kernel(const float* x, float* y) {
  extern __shared__ __align__(16) unsigned char carved_room[];
  double* sums = reinterpret_cast<double*>(carved_room);
  float* values = reinterpret_cast<float*>(sums + 64);
  int* places = reinterpret_cast<int*>(values + 64);
  unsigned char* thirds = reinterpret_cast<unsigned char*>(places + 64);
  const int t = threadIdx.x;
  values[t] = x[blockIdx.x * 64 + t];
  places[t] = 63 - t;
  thirds[t] = t % 3;
  __syncthreads();
  if (t == 0) {
    double sum = 0;
    for (int i = 0; i < 64; ++i) sums[i] = sum += values[i];
  }
  __syncthreads();
  y[blockIdx.x * 64 + t] = values[places[t]] * 2 + (float)sums[t] + thirds[t];
}

torch::Tensor carved_shared_memory(torch::Tensor x) {
  auto y = torch::empty_like(x);
  const int bytes = 64 * (sizeof(double) + sizeof(float) + sizeof(int) + 1);
  carved_shared_memory_kernel<<<x.size(0), 64, bytes>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
