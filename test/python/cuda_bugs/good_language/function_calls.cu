// Functions that are not inlined, with structures, references and pointers to locals as arguments.
// found: correct
// inputs: torch.rand(512)
// expected: torch.stack([x * 2 + 1, x * x], 1)
struct FunctionCallsPair {
  float a, b;
};

__device__ __noinline__ FunctionCallsPair function_calls_make(float v) { return {v * 2, v}; }

__device__ __noinline__ void function_calls_change(FunctionCallsPair& pair, float* square) {
  pair.a += 1;
  *square = pair.b * pair.b;
}

__global__ void function_calls_kernel(const float* x, float2* y) {
  const int i = blockIdx.x * 128 + threadIdx.x;
  FunctionCallsPair pair = function_calls_make(x[i]);
  float square;
  function_calls_change(pair, &square);
  y[i] = make_float2(pair.a, square);
}

torch::Tensor function_calls(torch::Tensor x) {
  auto y = torch::empty({x.numel(), 2}, x.options());
  function_calls_kernel<<<4, 128>>>(x.data_ptr<float>(), (float2*)y.data_ptr<float>());
  return y;
}
