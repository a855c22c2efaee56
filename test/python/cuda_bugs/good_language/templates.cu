// Kernels over types, sizes and functors, dispatched by the tensor's type.
// found: correct
// inputs: torch.rand(4, 100)
// expected: (x * 3).sum(1) + (x.double() * 3).amax(1).float()
template <typename T>
struct TemplatesSum {
  __device__ static T start() { return T(0); }
  __device__ T operator()(T a, T b) const { return a + b; }
};

template <typename T>
struct TemplatesMax {
  __device__ static T start() { return T(-1e30); }
  __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};

template <typename T, int threads, typename Combine>
__global__ void templates_kernel(const T* x, T* y, int columns, T scale, Combine combine) {
  __shared__ T parts[threads];
  T part = Combine::start();
  for (int c = threadIdx.x; c < columns; c += threads) part = combine(part, x[blockIdx.x * columns + c] * scale);
  parts[threadIdx.x] = part;
  __syncthreads();
#pragma unroll
  for (int half = threads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) parts[threadIdx.x] = combine(parts[threadIdx.x], parts[threadIdx.x + half]);
    __syncthreads();
  }
  if (threadIdx.x == 0) y[blockIdx.x] = parts[0];
}

torch::Tensor templates(torch::Tensor x) {
  const int rows = x.size(0), columns = x.size(1);
  auto wide = x.to(torch::kFloat64);
  auto y = torch::empty({rows}, x.options()), z = torch::empty({rows}, wide.options());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "templates_sum", ([&] {
    templates_kernel<scalar_t, 64, TemplatesSum<scalar_t>><<<rows, 64>>>(
        x.data_ptr<scalar_t>(), y.data_ptr<scalar_t>(), columns, scalar_t(3), TemplatesSum<scalar_t>());
  }));
  AT_DISPATCH_FLOATING_TYPES(wide.scalar_type(), "templates_max", ([&] {
    templates_kernel<scalar_t, 32, TemplatesMax<scalar_t>><<<rows, 32>>>(
        wide.data_ptr<scalar_t>(), z.data_ptr<scalar_t>(), columns, scalar_t(3), TemplatesMax<scalar_t>());
  }));
  return y + z.to(torch::kFloat32);
}
