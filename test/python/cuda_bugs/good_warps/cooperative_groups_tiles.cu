// Tiles of a block and coalesced threads by cooperative groups.
// found: correct
// inputs: torch.rand(4, 128)
// expected: x.sum(dim=1) + (x > 0.5).sum(dim=1)
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

__global__ void cooperative_groups_tiles_kernel(const float* x, float* y) {
  namespace cg = cooperative_groups;
  __shared__ float sums[8];
  __shared__ int high;
  const cg::thread_block block = cg::this_thread_block();
  const cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
  const float value = x[blockIdx.x * 128 + block.thread_rank()];
  if (block.thread_rank() == 0) high = 0;
  __syncthreads();
  if (value > 0.5f) {
    const cg::coalesced_group active = cg::coalesced_threads();
    if (active.thread_rank() == 0) atomicAdd(&high, active.size());
  }
  const float sum = cg::reduce(tile, value, cg::plus<float>());
  if (tile.thread_rank() == 0) sums[tile.meta_group_rank()] = sum;
  __syncthreads();
  if (block.thread_rank() == 0) {
    float total = high;
    for (int i = 0; i < 8; ++i) total += sums[i];
    y[blockIdx.x] = total;
  }
}

torch::Tensor cooperative_groups_tiles(torch::Tensor x) {
  auto y = torch::empty({x.size(0)}, x.options());
  cooperative_groups_tiles_kernel<<<x.size(0), 128>>>(x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}
