// A recursive device function with a local array on every level.
// found: correct
// inputs: torch.randint(0, 14, (128,), dtype=torch.int32)
// expected: torch.tensor([0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233], dtype=torch.int32)[x.long()]
__device__ __noinline__ int recursion_fibonacci(int n) {
  volatile int before[2];
  if (n < 2) return n;
  before[0] = recursion_fibonacci(n - 1);
  before[1] = recursion_fibonacci(n - 2);
  return before[0] + before[1];
}

__global__ void recursion_kernel(const int* x, int* y) { y[threadIdx.x] = recursion_fibonacci(x[threadIdx.x]); }

torch::Tensor recursion(torch::Tensor x) {
  auto y = torch::empty_like(x);
  recursion_kernel<<<1, 128>>>(x.data_ptr<int>(), y.data_ptr<int>());
  return y;
}
