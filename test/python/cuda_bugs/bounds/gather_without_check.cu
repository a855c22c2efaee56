// Indices come from a tensor and one of them is as large as the table.
// found: runtime-error
// inputs: torch.rand(50, 16), torch.cat([torch.randint(0, 50, (31,)), torch.tensor([50])])
// expected: torch.cat([x[y[:-1]], x[:1]])
__global__ void gather_without_check_kernel(const float* table, const long long* index, float* out) {
  out[blockIdx.x * 16 + threadIdx.x] = table[index[blockIdx.x] * 16 + threadIdx.x];  // here
}

torch::Tensor gather_without_check(torch::Tensor table, torch::Tensor index) {
  auto out = torch::empty({index.numel(), 16}, table.options());
  gather_without_check_kernel<<<index.numel(), 16>>>(
      table.data_ptr<float>(), (const long long*)index.data_ptr<int64_t>(), out.data_ptr<float>());
  return out;
}
