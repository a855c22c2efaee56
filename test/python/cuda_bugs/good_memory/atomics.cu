// Additions of floats and integers, maxima, exchanges, bit operations and a compare-and-swap loop on doubles.
// found: correct
// inputs: torch.rand(1024) * 4 + 1
// expected: torch.stack([x.sum(), x.floor().sum(), x.max(), x.min(), x.double().sum().float(), torch.tensor(15.0)])
__device__ void atomics_add_double(double* place, double value) {
  unsigned long long* bits = reinterpret_cast<unsigned long long*>(place);
  unsigned long long seen = *bits, before;
  do {
    before = seen;
    seen = atomicCAS(bits, before, __double_as_longlong(value + __longlong_as_double(before)));
  } while (seen != before);
}

__global__ void atomics_kernel(const float* x, float* sum, int* whole, int* bounds, double* exact, unsigned* bits) {
  const float value = x[blockIdx.x * 128 + threadIdx.x];
  atomicAdd(sum, value);
  atomicAdd(whole, (int)value);
  atomicMax(bounds, __float_as_int(value));
  atomicMin(bounds + 1, __float_as_int(value));
  atomics_add_double(exact, value);
  atomicOr(bits, 1u << threadIdx.x % 4);
  atomicAnd(bits, 0xffu);
}

__global__ void atomics_collect(
    float* y, const float* sum, const int* whole, const int* bounds, const double* exact, const unsigned* bits) {
  y[0] = sum[0];
  y[1] = whole[0];
  y[2] = __int_as_float(bounds[0]);
  y[3] = __int_as_float(bounds[1]);
  y[4] = exact[0];
  y[5] = bits[0];
}

torch::Tensor atomics(torch::Tensor x) {
  auto ints = x.options().dtype(torch::kInt32);
  auto y = torch::empty({6}, x.options()), sum = torch::zeros({1}, x.options());
  auto whole = torch::zeros({1}, ints), bits = torch::zeros({1}, ints), bounds = torch::zeros({2}, ints);
  bounds.fill_(0x3f800000);
  cudaMemset(bounds.data_ptr<int>() + 1, 0x7e, sizeof(int));
  auto exact = torch::zeros({1}, x.options().dtype(torch::kFloat64));
  unsigned* flags = reinterpret_cast<unsigned*>(bits.data_ptr<int>());
  atomics_kernel<<<x.numel() / 128, 128>>>(x.data_ptr<float>(), sum.data_ptr<float>(), whole.data_ptr<int>(),
      bounds.data_ptr<int>(), exact.data_ptr<double>(), flags);
  atomics_collect<<<1, 1>>>(y.data_ptr<float>(), sum.data_ptr<float>(), whole.data_ptr<int>(), bounds.data_ptr<int>(),
      exact.data_ptr<double>(), flags);
  return y;
}
