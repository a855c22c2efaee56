// Kernels whose answers the host knows: each check runs one and counts what differs from its own arithmetic.
#include <cooperative_groups.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace cg = cooperative_groups;

namespace {

template <class T>
struct Device {
  T* place = nullptr;
  size_t count;
  explicit Device(size_t n) : count(n) { cudaMalloc(&place, n * sizeof(T)); }
  explicit Device(const std::vector<T>& from) : Device(from.size()) {
    cudaMemcpy(place, from.data(), count * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Device() { cudaFree(place); }
  std::vector<T> read() const {
    std::vector<T> to(count);
    cudaMemcpy(to.data(), place, count * sizeof(T), cudaMemcpyDeviceToHost);
    return to;
  }
};

template <class T>
int differing(const std::vector<T>& found, const std::vector<T>& expected, const char* what) {
  int wrong = cudaDeviceSynchronize() == cudaSuccess ? 0 : 1000000;
  for (size_t i = 0; i < expected.size(); ++i)
    if (std::memcmp(&found[i], &expected[i], sizeof(T)) != 0 && !(found[i] != found[i] && expected[i] != expected[i])) {
      if (++wrong < 4) std::printf("%s: %zu is %.9g, not %.9g\n", what, i, double(found[i]), double(expected[i]));
    }
  return wrong;
}

const std::vector<int> INTS = {0, 1, -1, 2, 3, 7, -8, 31, 32, 33, 255, 256, -255, 65535, 65536, 1 << 30, INT32_MAX, INT32_MIN, 123456789, -987654321};
const std::vector<float> FLOATS = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 1.5f, 2.5f, -2.5f, 3.1415927f, 1e-3f, 1e10f, -3e9f, 65504.0f, 1e-7f, 16777217.0f, 0.1f, 1.0000001f, 255.5f, -128.7f, NAN, INFINITY, -INFINITY};

}  // namespace

// --- integers --------------------------------------------------------------------------------------------------------

constexpr int INTEGER_OPERATIONS = 24;

__host__ __device__ int64_t integer(int which, int a, int b) {
  const unsigned ua = unsigned(a), ub = unsigned(b);
  switch (which) {
    case 0: return b == 0 || (a == INT32_MIN && b == -1) ? 0 : a / b;
    case 1: return b == 0 || (a == INT32_MIN && b == -1) ? 0 : a % b;
    case 2: return ub == 0 ? 0 : ua / ub;
    case 3: return ub == 0 ? 0 : ua % ub;
    case 4: return int64_t(a) * b;
    case 5: return int64_t(uint64_t(ua) * ub);
    case 6: return a >> (b & 31);
    case 7: return ua >> (ub & 31);
    case 8: return int(ua << (ub & 31));
    case 9: return a < b ? a : b;
    case 10: return ua > ub ? ua : ub;
    case 11: return (a & b) | (~a ^ b);
    case 12: return int64_t(a) << (ub & 31);
    case 13: return (int64_t(a) << 20) / (b == 0 ? 1 : b);
    case 14: return int64_t((uint64_t(ua) << 17 | ub) % ((uint64_t(ub) << 3) + 11));
    case 15: return int8_t(a) + uint8_t(b);
    case 16: return int16_t(a) * int16_t(b);
#ifdef __CUDA_ARCH__
    case 17: return __mulhi(a, b);
    case 18: return __umulhi(ua, ub);
    case 19: return __popc(ua) * 1000 + __clz(a) * 10 + (__ffs(a) & 7);
    case 20: return __brev(ua);
    case 21: return __byte_perm(ua, ub, 0x5173);
    case 22: return __funnelshift_l(ua, ub, ub);
    case 23: return int64_t(__umul64hi(uint64_t(ua) << 32 | ub, uint64_t(ub) << 30));
#else
    case 17: return int64_t(a) * b >> 32;
    case 18: return int64_t(uint64_t(ua) * ub >> 32);
    case 19: return __builtin_popcount(ua) * 1000 + (a == 0 ? 32 : __builtin_clz(ua)) * 10 + (__builtin_ffs(a) & 7);
    case 20: {
      unsigned r = 0;
      for (int i = 0; i < 32; ++i) r |= (ua >> i & 1) << (31 - i);
      return r;
    }
    case 21: {
      const uint64_t both = uint64_t(ub) << 32 | ua;
      unsigned r = 0;
      const int picks[] = {3, 7, 1, 5};
      for (int i = 0; i < 4; ++i) r |= unsigned(both >> (8 * picks[i]) & 255) << (8 * i);
      return r;
    }
    case 22: return unsigned((uint64_t(ub) << 32 | ua) << (ub & 31) >> 32);
    default: return int64_t(uint64_t(((unsigned __int128)(uint64_t(ua) << 32 | ub) * (uint64_t(ub) << 30)) >> 64));
#endif
  }
}

__global__ void integers(const int* values, int count, int64_t* out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count * count * INTEGER_OPERATIONS) return;
  out[i] = integer(i / (count * count), values[i / count % count], values[i % count]);
}

extern "C" int check_integers() {
  const int n = int(INTS.size()), all = n * n * INTEGER_OPERATIONS;
  Device<int> in(INTS);
  Device<int64_t> out(all);
  integers<<<(all + 127) / 128, 128>>>(in.place, n, out.place);
  std::vector<int64_t> expected(all);
  for (int i = 0; i < all; ++i) expected[i] = integer(i / (n * n), INTS[i / n % n], INTS[i % n]);
  return differing(out.read(), expected, "integers");
}

// --- floats ----------------------------------------------------------------------------------------------------------

constexpr int FLOAT_OPERATIONS = 16;

float rounded(double exact, int way) {  // -1 down, 1 up, 0 towards zero
  float f = float(exact);
  if (f != f || std::isinf(exact)) return f;
  const bool down = way < 0 || (way == 0 && exact > 0);
  if (down && double(f) > exact) f = std::nextafterf(f, -INFINITY);
  if (!down && double(f) < exact) f = std::nextafterf(f, INFINITY);
  return f;
}

__host__ __device__ float real(int which, float a, float b) {
  switch (which) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a / b;
    case 3: return fmaf(a, b, 0.1f);
    case 4: return sqrtf(fabsf(a));
    case 5: return floorf(a) + ceilf(b);
    case 6: return truncf(a) - rintf(b);
    case 7: return copysignf(a, b);
    case 8: return a < b ? 1.0f : (a >= b ? 2.0f : 3.0f);
    case 9: return float(!(a < b)) + 2 * float(a != b);
    case 10: return fminf(a, b) + 0.0f;
    case 11: return fmaxf(a, b) + 0.0f;
#ifdef __CUDA_ARCH__
    case 12: return __fmul_rd(a, b);
    case 13: return __fadd_ru(a, b);
    case 14: return __fmul_rz(a, b);
    default: return __saturatef(a * 0.25f);
#else
    case 12: return rounded(double(a) * b, -1);
    case 13: return rounded(double(a) + b, 1);
    case 14: return rounded(double(a) * b, 0);
    default: return a != a ? 0.0f : std::fmin(1.0f, std::fmax(0.0f, a * 0.25f));
#endif
  }
}

__global__ void reals(const float* values, int count, float* out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count * count * FLOAT_OPERATIONS) return;
  out[i] = real(i / (count * count), values[i / count % count], values[i % count]);
}

extern "C" int check_reals() {
  const int n = int(FLOATS.size()), all = n * n * FLOAT_OPERATIONS;
  Device<float> in(FLOATS);
  Device<float> out(all);
  reals<<<(all + 127) / 128, 128>>>(in.place, n, out.place);
  std::vector<float> expected(all);
  for (int i = 0; i < all; ++i) {
    expected[i] = real(i / (n * n), FLOATS[i / n % n], FLOATS[i % n]);
  }
  std::vector<float> found = out.read();
  for (int i = 0; i < all; ++i)
    if (found[i] == expected[i]) found[i] = expected[i];  // the sign of a zero that min and max may choose
  return differing(found, expected, "floats");
}

__global__ void conversions(const float* values, int count, int64_t* out) {
  const int i = threadIdx.x;
  if (i >= count) return;
  const float f = values[i];
  int64_t* to = out + 10 * i;
  to[0] = int(f);
  to[1] = unsigned(f);
  to[2] = __float2int_rn(f);
  to[3] = __float2int_ru(f);
  to[4] = __half_as_ushort(__float2half(f));
  to[5] = __bfloat16_as_ushort(__float2bfloat16(f));
  to[6] = __half_as_ushort(__float2half_rz(f));
  to[7] = __double_as_longlong(double(f) * 3.0);
  to[8] = __float_as_int(__half2float(__float2half(f)));
  to[9] = __float_as_int(float(double(f) / 7.0));
}

extern "C" int check_conversions() {
  const int n = int(FLOATS.size());
  Device<float> in(FLOATS);
  Device<int64_t> out(10 * n);
  conversions<<<1, 32>>>(in.place, n, out.place);
  std::vector<int64_t> expected = out.read();
  int wrong = cudaDeviceSynchronize() == cudaSuccess ? 0 : 1000000;
  for (int i = 0; i < n; ++i) {
    const float f = FLOATS[i];
    const int64_t* to = expected.data() + 10 * i;
    const auto clamp = [](double x, double least, double most) { return x != x ? 0.0 : std::fmin(most, std::fmax(least, x)); };
    double seven = double(f) / 7.0, three = double(f) * 3.0;
    const float half = __half2float(__float2half(f)), sevenths = float(seven);
    int bits, bits7;
    int64_t wide;
    std::memcpy(&bits, &half, 4);
    std::memcpy(&bits7, &sevenths, 4);
    std::memcpy(&wide, &three, 8);
    const bool same = to[0] == int64_t(clamp(std::trunc(f), INT32_MIN, INT32_MAX)) && to[1] == int64_t(clamp(std::trunc(f), 0, UINT32_MAX)) &&
                      to[2] == int64_t(clamp(std::nearbyint(f), INT32_MIN, INT32_MAX)) && to[3] == int64_t(clamp(std::ceil(f), INT32_MIN, INT32_MAX)) &&
                      to[4] == __half_as_ushort(__float2half(f)) && to[5] == __bfloat16_as_ushort(__float2bfloat16(f)) &&
                      to[6] == __half_as_ushort(__float2half_rz(f)) && (f != f || (to[7] == wide && to[8] == bits && to[9] == bits7));
    if (!same && ++wrong < 4) std::printf("conversions of %g: %lld %lld %lld %lld %llx %llx %llx\n", f, (long long)to[0], (long long)to[1], (long long)to[2], (long long)to[3], (long long)to[4], (long long)to[5], (long long)to[6]);
  }
  return wrong;
}

__global__ void halves(const float* values, float* out) {
  const int i = threadIdx.x;
  const __half2 a = __floats2half2_rn(values[i], values[i + 1]), b = __floats2half2_rn(0.5f, -1.25f);
  const __half2 sum = __hadd2(a, b), product = __hmul2(a, b), fused = __hfma2(a, b, b), most = __hmax2(a, b);
  const __nv_bfloat162 c = __floats2bfloat162_rn(values[i], values[i + 1]), d = __hmul2(c, __floats2bfloat162_rn(3.0f, 0.75f));
  float* to = out + 12 * i;
  to[0] = __low2float(sum), to[1] = __high2float(sum), to[2] = __low2float(product), to[3] = __high2float(product);
  to[4] = __low2float(fused), to[5] = __high2float(fused), to[6] = __low2float(most), to[7] = __high2float(most);
  to[8] = __low2float(d), to[9] = __high2float(d);
  to[10] = __hlt(__low2half(a), __high2half(a)) ? 1.0f : 0.0f;
  to[11] = __half2float(hexp(__float2half(values[i] * 0.1f)));
}

extern "C" int check_halves() {
  std::vector<float> values;
  for (int i = 0; i < 33; ++i) values.push_back((i * 37 % 19) * 0.37f - 3.0f);
  Device<float> in(values);
  Device<float> out(12 * 32);
  halves<<<1, 32>>>(in.place, out.place);
  const std::vector<float> found = out.read();
  int wrong = cudaDeviceSynchronize() == cudaSuccess ? 0 : 1000000;
  const auto h = [](float x) { return __half2float(__float2half(x)); };
  const auto bf = [](float x) { return __bfloat162float(__float2bfloat16(x)); };
  for (int i = 0; i < 32; ++i) {
    const float a = h(values[i]), b = h(values[i + 1]);
    const float expected[] = {h(a + 0.5f), h(b - 1.25f), h(a * 0.5f), h(b * -1.25f), h(a * 0.5f + 0.5f), h(b * -1.25f - 1.25f), std::fmax(a, 0.5f), std::fmax(b, -1.25f), bf(bf(values[i]) * 3.0f), bf(bf(values[i + 1]) * 0.75f), a < b ? 1.0f : 0.0f};
    for (int n = 0; n < 11; ++n)
      if (found[12 * i + n] != expected[n] && ++wrong < 4) std::printf("halves %d %d: %g, not %g\n", i, n, found[12 * i + n], expected[n]);
    if (std::fabs(found[12 * i + 11] - std::exp(h(values[i] * 0.1f))) > 2e-3f) ++wrong;
  }
  return wrong;
}

// --- warps and blocks ------------------------------------------------------------------------------------------------

__global__ void warps(int* out) {
  const int lane = threadIdx.x & 31, i = threadIdx.x;
  int* to = out + 16 * i;
  to[0] = __shfl_sync(~0u, i * 3, lane ^ 5);
  to[1] = __shfl_up_sync(~0u, i, 3, 16);
  to[2] = __shfl_down_sync(~0u, i, 5, 8);
  to[3] = __shfl_xor_sync(~0u, i, 9);
  to[4] = int(__ballot_sync(~0u, lane % 3 == 0));
  to[5] = __any_sync(~0u, lane == 7) + 2 * __all_sync(~0u, lane < 32) + 4 * __all_sync(~0u, lane < 31);
  to[6] = int(__match_any_sync(~0u, lane / 4));
  to[7] = int(__reduce_add_sync(~0u, unsigned(lane)));
  to[8] = __reduce_max_sync(~0u, 100 - lane);
  if (lane < 12) to[9] = __shfl_sync(0xfffu, i, 11 - lane);
  else to[9] = int(__popc(__activemask()));
  const long long wide = __shfl_xor_sync(~0u, (long long)(i) << 33, 1);
  to[10] = int(wide >> 33);
  const auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  int sum = i;
  for (int step = 4; step > 0; step /= 2) sum += tile.shfl_down(sum, step);
  to[11] = tile.shfl(sum, 0);
  to[12] = __syncthreads_count(i % 5 == 0);
  to[13] = __syncthreads_and(i >= 0) + 2 * __syncthreads_or(i == 63) + 4 * __syncthreads_or(i == 64);
  __shared__ int shared[64];
  shared[i] = i * i;
  __syncthreads();
  to[14] = shared[63 - i];
  to[15] = int(tile.ballot(tile.thread_rank() < 3));
}

extern "C" int check_warps() {
  Device<int> out(16 * 64);
  warps<<<1, 64>>>(out.place);
  std::vector<int> expected;
  for (int i = 0; i < 64; ++i) {
    const int lane = i & 31, warp = i & ~31;
    const int eight = i & ~7;
    const int row[] = {(warp + (lane ^ 5)) * 3, lane % 16 >= 3 ? i - 3 : i, lane % 8 + 5 < 8 ? i + 5 : i, warp + (lane ^ 9), 0x49249249, 3,
                       int(0xfu << (lane / 4 * 4)), 496, 100, lane < 12 ? warp + 11 - lane : 20, i ^ 1, 8 * eight + 28, 13, 3, (63 - i) * (63 - i), 7};
    expected.insert(expected.end(), row, row + 16);
  }
  return differing(out.read(), expected, "warps");
}

// --- memory ----------------------------------------------------------------------------------------------------------

__constant__ float coefficients[4] = {1.0f, 2.5f, -3.0f, 0.0f};
__device__ int table[5] = {10, 20, 30, 40, 50};
__device__ int* indirect = table + 2;
__device__ unsigned turns;

__device__ __noinline__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
__device__ int twice(int x) { return 2 * x; }
__device__ int square(int x) { return x * x; }
typedef int (*Function)(int);
__device__ Function functions[2] = {twice, square};

__global__ void memories(const float4* in, float4* out, int* ints, double* doubles) {
  extern __shared__ char raw[];
  float* first = reinterpret_cast<float*>(raw);
  short* second = reinterpret_cast<short*>(raw + blockDim.x * sizeof(float));
  const int i = threadIdx.x;
  const float4 v = __ldg(in + i);
  first[i] = v.x * coefficients[1];
  second[i] = short(i);
  __syncthreads();
  out[i] = make_float4(first[blockDim.x - 1 - i], float(second[i ^ 1]), v.z, v.w + coefficients[2]);
  int local[16];
  for (int n = 0; n < 16; ++n) local[n] = n * i;
  int* mine = local + (i % 16);
  *mine += 1000;
  ints[4 * i] = local[(i * 7) % 16];
  ints[4 * i + 1] = fibonacci(i % 10) + *indirect;
  ints[4 * i + 2] = functions[i & 1](i);
  switch (i % 7) {
    case 0: ints[4 * i + 3] = 5; break;
    case 1: ints[4 * i + 3] = i * 3; break;
    case 2: ints[4 * i + 3] = -i; break;
    case 3: ints[4 * i + 3] = i << 3; break;
    case 4: ints[4 * i + 3] = i ^ 21; break;
    case 5: ints[4 * i + 3] = table[i % 5]; break;
    default: ints[4 * i + 3] = 99;
  }
  doubles[i] = sqrt(double(i)) + 1.0 / (i + 1);
  unsigned previous;
  asm volatile("{ .reg .pred p; setp.gt.s32 p, %1, 3; selp.u32 %0, 7, 9, p; }" : "=r"(previous) : "r"(i));
  if (previous == 7) atomicInc(&turns, 1000);
}

extern "C" int check_memories() {
  const int n = 64;
  std::vector<float4> in;
  for (int i = 0; i < n; ++i) in.push_back(make_float4(i, i + 0.5f, 2 * i, -i));
  Device<float4> given(in), out(n);
  Device<int> ints(4 * n);
  Device<double> doubles(n);
  const unsigned zero = 0;
  cudaMemcpyToSymbol(turns, &zero, sizeof zero);
  const float changed[4] = {1.0f, 1.5f, -3.0f, 0.0f};
  cudaMemcpyToSymbol(coefficients, changed, sizeof changed);
  memories<<<1, n, n * (sizeof(float) + sizeof(short))>>>(given.place, out.place, ints.place, doubles.place);
  const std::vector<float4> found = out.read();
  const std::vector<int> whole = ints.read();
  const std::vector<double> real = doubles.read();
  int wrong = cudaDeviceSynchronize() == cudaSuccess ? 0 : 1000000;
  const int fib[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34}, seeds[] = {10, 20, 30, 40, 50};
  for (int i = 0; i < n; ++i) {
    const int k = (i * 7) % 16;
    const int picks[] = {5, i * 3, -i, i << 3, i ^ 21, seeds[i % 5], 99};
    wrong += found[i].x != (n - 1 - i) * 1.5f || found[i].y != (i ^ 1) || found[i].z != 2 * i || found[i].w != -i - 3.0f;
    wrong += whole[4 * i] != k * i + (k == i % 16 ? 1000 : 0) || whole[4 * i + 1] != fib[i % 10] + 30;
    wrong += whole[4 * i + 2] != (i & 1 ? i * i : 2 * i) || whole[4 * i + 3] != picks[i % 7];
    wrong += real[i] != std::sqrt(double(i)) + 1.0 / (i + 1);
  }
  unsigned counted = 0;
  cudaMemcpyFromSymbol(&counted, turns, sizeof counted);
  return wrong + (counted != 60);
}

__global__ void atomics(int* ints, float* floats, double* sum, unsigned long long* wide, __half2* pairs) {
  __shared__ int most;
  __shared__ float total;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (threadIdx.x == 0) most = 0, total = 0;
  __syncthreads();
  atomicMax(&most, i % 97);
  atomicAdd(&total, 1.0f);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(ints + 0, most), atomicAdd(floats, total);
  atomicMin(ints + 1, -i);
  atomicOr(ints + 2, 1 << (i % 30));
  atomicXor(ints + 3, i);
  atomicAnd(ints + 4, ~(1 << (i % 8)));
  atomicAdd(wide, 1ull << 33);
  atomicAdd(sum, 0.5);
  atomicAdd(pairs, __floats2half2_rn(1.0f, 2.0f));
  int seen = ints[5], tried;
  do {
    tried = seen;
    seen = atomicCAS(ints + 5, tried, tried + 3);
  } while (seen != tried);
  if (i == 17) atomicExch(ints + 6, 4711);
  // A lock in shared memory: who waits must let the others go on.
  __shared__ int lock;
  __shared__ int guarded;
  if (threadIdx.x == 0) lock = 0, guarded = 0;
  __syncthreads();
  for (bool done = false; !done;)
    if (atomicCAS(&lock, 0, 1) == 0) {
      guarded += 1;
      __threadfence_block();
      atomicExch(&lock, 0);
      done = true;
    }
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(ints + 7, guarded);
}

extern "C" int check_atomics() {
  Device<int> ints(std::vector<int>{0, 0, 0, 0, -1, 0, 0, 0});
  Device<float> floats(std::vector<float>{0});
  Device<double> sum(std::vector<double>{0});
  Device<unsigned long long> wide(std::vector<unsigned long long>{0});
  Device<__half2> pairs(std::vector<__half2>{__floats2half2_rn(0, 0)});
  atomics<<<8, 64>>>(ints.place, floats.place, sum.place, wide.place, pairs.place);
  const std::vector<int> found = ints.read();
  int most = 0, exclusive = 0;
  for (int block = 0; block < 8; ++block) {
    int best = 0;
    for (int i = 64 * block; i < 64 * (block + 1); ++i) best = best > i % 97 ? best : i % 97, exclusive ^= i;
    most += best;
  }
  const std::vector<int> expected = {most, -511, (1 << 30) - 1, exclusive, ~255, 3 * 512, 4711, 512};
  const float two = __high2float(pairs.read()[0]);
  return differing(found, expected, "atomics") + (floats.read()[0] != 512.0f) + (sum.read()[0] != 256.0) + (wide.read()[0] != 512ull << 33) +
         (two != 1024.0f);
}

// --- matrices --------------------------------------------------------------------------------------------------------

__global__ void tensor_cores(const half* a, const half* b, float* c, float* fixed) {
  using namespace nvcuda::wmma;
  fragment<matrix_a, 16, 16, 16, half, row_major> fa;
  fragment<matrix_b, 16, 16, 16, half, col_major> fb;
  fragment<accumulator, 16, 16, 16, float> fc;
  fill_fragment(fc, 1.0f);
  load_matrix_sync(fa, a, 16);
  load_matrix_sync(fb, b, 16);
  mma_sync(fc, fa, fb, fc);
  for (int i = 0; i < fc.num_elements; ++i) fc.x[i] *= 2.0f;
  store_matrix_sync(c, fc, 16, mem_row_major);

  __shared__ __align__(16) half tile[16 * 16];
  for (int i = threadIdx.x; i < 256; i += 32) tile[i] = a[i];
  __syncwarp();
  const int lane = threadIdx.x;
  unsigned ra[4], rb[2];
  const unsigned row = unsigned(__cvta_generic_to_shared(tile + (lane % 16) * 16 + lane / 16 * 8));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3]) : "r"(row));
  for (int n = 0; n < 2; ++n) rb[n] = *reinterpret_cast<const unsigned*>(b + (lane / 4) * 16 + lane % 4 * 2 + 8 * n);
  float d[4] = {0, 0, 0, 0};
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
  for (int i = 0; i < 4; ++i) fixed[(lane / 4 + (i >= 2 ? 8 : 0)) * 8 + lane % 4 * 2 + (i & 1)] = d[i];
}

extern "C" int check_tensor_cores() {
  std::vector<half> a, b;
  for (int i = 0; i < 256; ++i) a.push_back(__float2half(i % 5 - 2)), b.push_back(__float2half(i % 7 - 3));
  Device<half> da(a), db(b);
  Device<float> c(256), fixed(128);
  tensor_cores<<<1, 32>>>(da.place, db.place, c.place, fixed.place);
  std::vector<float> whole, part;
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      float sum = 0;
      for (int k = 0; k < 16; ++k) sum += float((i * 16 + k) % 5 - 2) * float((j * 16 + k) % 7 - 3);
      whole.push_back(2 * (sum + 1));
      if (j < 8) part.push_back(sum);
    }
  return differing(c.read(), whole, "wmma") + differing(fixed.read(), part, "mma");
}

// --- many blocks, and words ------------------------------------------------------------------------------------------

__global__ void grid(int* out, int width) {
  const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, z = blockIdx.z;
  if (x < width) out[(z * gridDim.y * blockDim.y + y) * width + x] = x + 1000 * y + 1000000 * z;
}

extern "C" int check_grid() {
  const int width = 50, height = 12, depth = 3;
  Device<int> out(width * height * depth);
  grid<<<dim3(4, 3, 3), dim3(16, 4)>>>(out.place, width);
  std::vector<int> expected;
  for (int z = 0; z < depth; ++z)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) expected.push_back(x + 1000 * y + 1000000 * z);
  return differing(out.read(), expected, "grid");
}

__global__ void words() {
  if (threadIdx.x == 1) printf("thread %d says %5.2f %s %lld%%\n", threadIdx.x, 2.5f, "hello", 1ll << 40);
}

extern "C" int check_words() {
  words<<<1, 2>>>();
  return cudaDeviceSynchronize();
}

// --- blocks that wait for one another --------------------------------------------------------------------------------

__global__ void meet(int* values, int* out) {
  auto all = cg::this_grid();
  const int i = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
  values[i] = i * i;
  all.sync();
  out[i] = values[n - 1 - i];
  all.sync();
  if (i == 0) values[0] = n;
}

extern "C" int check_grid_barrier() {
  const int blocks = 12, threads = 64, n = blocks * threads;
  Device<int> values(n), out(n);
  void* arguments[] = {&values.place, &out.place};
  if (cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(meet), dim3(blocks), dim3(threads), arguments, 0, nullptr) != cudaSuccess) return -1;
  std::vector<int> expected;
  for (int i = 0; i < n; ++i) expected.push_back((n - 1 - i) * (n - 1 - i));
  return differing(out.read(), expected, "grid barrier");
}

// Each block adds its own to what the one before it says, as scans over a whole array do.
__global__ void chain(volatile int* told, int* out) {
  if (threadIdx.x == 0) {
    int before = 0;
    if (blockIdx.x > 0)
      while ((before = told[blockIdx.x - 1]) == 0) {
      }
    out[blockIdx.x] = before;
    told[blockIdx.x] = before + int(blockIdx.x) + 1;
  }
}

extern "C" int check_chain() {
  const int blocks = 40;
  Device<int> told(std::vector<int>(blocks, 0)), out(blocks);
  chain<<<blocks, 32>>>(told.place, out.place);
  std::vector<int> expected;
  for (int i = 0; i < blocks; ++i) expected.push_back(i * (i + 1) / 2);
  return differing(out.read(), expected, "chain");
}

// --- double precision's long way round, and masks --------------------------------------------------------------------

__global__ void angles(const double* in, double* out) {
  out[threadIdx.x] = sin(in[threadIdx.x]);
  out[threadIdx.x + 32] = cos(in[threadIdx.x]) + exp(-in[threadIdx.x] * in[threadIdx.x] * 1e-12);
  unsigned mask;
  asm("bmsk.clamp.b32 %0, %1, %2;" : "=r"(mask) : "r"(threadIdx.x), "r"(7));
  out[threadIdx.x + 64] = mask;
}

extern "C" int check_angles() {
  std::vector<double> in, expected;
  for (int i = 0; i < 32; ++i) in.push_back((i - 16) * std::pow(7.0, i % 9));
  for (double x : in) expected.push_back(std::sin(x));
  for (double x : in) expected.push_back(std::cos(x) + std::exp(-x * x * 1e-12));
  for (int i = 0; i < 32; ++i) expected.push_back(unsigned(127ull << i));
  Device<double> given(in), out(96);
  angles<<<1, 32>>>(given.place, out.place);
  const std::vector<double> found = out.read();
  int wrong = cudaDeviceSynchronize() == cudaSuccess ? 0 : 1000000;
  for (int i = 0; i < 96; ++i)
    if (!(std::fabs(found[i] - expected[i]) <= 1e-14) && ++wrong < 4) std::printf("angles %d: %.17g, not %.17g\n", i, found[i], expected[i]);
  return wrong;
}

// A sum as it was written before __syncwarp: the threads of a warp are taken to go step by step.
__global__ void in_step(const float* in, float* out) {
  volatile __shared__ float part[64];
  const int i = threadIdx.x;
  part[i] = in[i];
  __syncthreads();
  if (i < 32) {
    part[i] += part[i + 32];
    part[i] += part[i + 16];
    part[i] += part[i + 8];
    part[i] += part[i + 4];
    part[i] += part[i + 2];
    part[i] += part[i + 1];
  }
  if (i == 0) *out = part[0];
}

extern "C" int check_volatile_steps() {
  std::vector<float> in;
  float sum = 0;
  for (int i = 0; i < 64; ++i) in.push_back(float(i * i % 23)), sum += in.back();
  Device<float> given(in), out(1);
  in_step<<<1, 64>>>(given.place, out.place);
  return differing(out.read(), std::vector<float>{sum}, "in step");
}
