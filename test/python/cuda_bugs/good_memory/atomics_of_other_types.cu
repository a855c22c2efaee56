// atomicAdd on half, bfloat16, double and 64-bit integers; atomicExch and atomicSub.
// found: correct
// inputs: torch.randint(0, 4, (256,), dtype=torch.int32)
// expected: torch.stack([x.sum()] * 4 + [1000 - x.sum(), x.numel() - torch.tensor(255)]).float()
#include <cuda_bf16.h>
#include <cuda_fp16.h>

__global__ void atomics_of_other_types_kernel(
    const int* x, __half* a, __nv_bfloat16* b, double* c, unsigned long long* d, int* e, float* y) {
  __shared__ int turn;
  const int t = threadIdx.x, value = x[t];
  if (t == 0) turn = 0;
  __syncthreads();
  atomicAdd(a, __int2half_rn(value));
  if (t % 16 == 0) {
    int sum = 0;
    for (int i = 0; i < 16; ++i) sum += x[t + i];
    atomicAdd(b, __int2bfloat16_rn(sum - 24));
  }
  atomicAdd(c, (double)value);
  atomicAdd(d, (unsigned long long)value);
  atomicSub(e, value);
  atomicExch(&turn, 1);
  __syncthreads();
  if (t == 0) {
    y[0] = __half2float(*a);
    y[1] = __bfloat162float(*b) + 24 * 16;
    y[2] = *c;
    y[3] = *d;
    y[4] = *e;
    y[5] = turn;
  }
}

torch::Tensor atomics_of_other_types(torch::Tensor x) {
  auto room = torch::zeros({5}, x.options().dtype(torch::kInt64));
  auto y = torch::empty({6}, x.options().dtype(torch::kFloat32));
  char* place = reinterpret_cast<char*>(room.data_ptr<int64_t>());
  const int thousand = 1000;
  cudaMemcpy(place + 32, &thousand, sizeof(int), cudaMemcpyHostToDevice);
  atomics_of_other_types_kernel<<<1, 256>>>(x.data_ptr<int>(), (__half*)place, (__nv_bfloat16*)(place + 8),
      (double*)(place + 16), (unsigned long long*)(place + 24), (int*)(place + 32), y.data_ptr<float>());
  return y;
}
