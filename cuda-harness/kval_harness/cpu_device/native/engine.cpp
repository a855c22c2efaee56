// Translated modules, and the grids that run their kernels: blocks over threads of the machine.

#include "engine.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "worker.h"

extern "C" int cudaMalloc(void** place, size_t bytes);
extern "C" int cudaFree(void* place);

namespace kval {

struct Kernel {
  const Code* code;
  mutable size_t allowed_dynamic = 48 * 1024;
};

namespace {

struct Modules {
  std::mutex lock;
  std::map<std::pair<uint64_t, std::string>, Kernel> kernels;
  std::map<std::pair<uint64_t, std::string>, const Variable*> variables;
  std::vector<Span> spans;
};

Modules& modules() {
  static Modules* all = new Modules;
  return *all;
}

Settings settings;

// --- the crew --------------------------------------------------------------------------------------------------------

void work(Worker& w, Launch& launch) {
  const Code& code = *launch.code;
  w.launch = &launch;
  w.settings = &settings;
  const size_t shared_bytes = size_t(code.dynamic_first) + launch.dynamic_bytes + 256;
  if (w.arena.size() < shared_bytes) w.arena.resize(shared_bytes);
  w.caches.assign(std::max(code.sites, 1u), Cache{~0ull, 0});
  if (settings.races) w.touches.assign(shared_bytes, Touch{});
  prepare_stacks(w, code);
  if (w.stacks == nullptr) {
    note_unsupported("no memory for the stacks of a block's threads");
    launch.error = 2;
    return;
  }
  Block& b = w.block;
  b.shared = w.arena.data() + (-reinterpret_cast<uintptr_t>(w.arena.data()) & 127);
  b.params = launch.params;
  b.shadow = settings.races ? reinterpret_cast<uint8_t*>(w.touches.data()) : nullptr;
  b.dynamic_first = code.dynamic_first;
  b.dynamic_bytes = launch.dynamic_bytes;
  b.static_bytes = code.static_bytes;
  b.grid_id = launch.grid_id;
  b.workspace = launch.workspace;
  b.caches = w.caches.data();
  b.worker = &w;
  std::copy(launch.grid, launch.grid + 3, b.nctaid);
  while (launch.error.load(std::memory_order_relaxed) == 0) {
    const uint64_t turn = launch.next.fetch_add(1, std::memory_order_relaxed);
    if (turn >= launch.blocks) return;
    const uint64_t number = uint64_t((launch.start + (unsigned __int128)turn * launch.stride) % launch.blocks);
    b.ctaid[0] = uint32_t(number % launch.grid[0]);
    b.ctaid[1] = uint32_t(number / launch.grid[0] % launch.grid[1]);
    b.ctaid[2] = uint32_t(number / launch.grid[0] / launch.grid[1]);
    // What a kernel reads before it wrote it is not a number.
    for (uint32_t n = 0; n < code.shared_arrays; ++n) std::memset(b.shared + code.shared[n].first, 0xff, code.shared[n].bytes);
    if (launch.dynamic_bytes > 0) std::memset(b.shared + code.dynamic_first, 0xff, launch.dynamic_bytes);
    if (!run_block(w)) return;
  }
}

// Threads that wait for grids to run. They are made when the first grid needs them, and live as long as the process.
class Crew {
 public:
  void run(Launch& launch) {
    const uint64_t wanted = std::min<uint64_t>(std::max(settings.threads, 1), launch.blocks);
    {
      std::lock_guard<std::mutex> hold(lock_);
      while (workers_.size() < wanted) {
        workers_.emplace_back(std::make_unique<Worker>());
        if (workers_.size() > 1) std::thread([this, place = workers_.size() - 1] { serve(place); }).detach();
      }
      launch_ = &launch;
      helpers_ = busy_ = uint32_t(wanted - 1);
      ++round_;
    }
    if (wanted > 1) wake_.notify_all();
    work(*workers_[0], launch);
    std::unique_lock<std::mutex> hold(lock_);
    done_.wait(hold, [&] { return busy_ == 0; });
  }

 private:
  void serve(size_t place) {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> hold(lock_);
    seen = round_ - (helpers_ >= place ? 1 : 0);
    while (true) {
      wake_.wait(hold, [&] { return round_ != seen; });
      seen = round_;
      if (place > helpers_) continue;
      Launch& launch = *launch_;
      Worker& worker = *workers_[place];
      hold.unlock();
      work(worker, launch);
      hold.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::mutex lock_;
  std::condition_variable wake_, done_;
  std::deque<std::unique_ptr<Worker>> workers_;
  Launch* launch_ = nullptr;
  uint32_t helpers_ = 0, busy_ = 0;
  uint64_t round_ = 0;
};

std::mutex one_grid;  // streams run in the order in which they were given work

Crew& crew() {
  static Crew* one = new Crew;
  return *one;
}

constexpr uint32_t COMPANY = 1024;

std::mutex company_lock;
std::vector<std::thread> company;

alignas(16) uint32_t workspace[2] = {sizeof workspace, 0};  // its size, and the barrier of cooperative groups

uint64_t stride_for(uint64_t blocks, uint64_t seed) {
  uint64_t stride = (seed % blocks) | 1;
  while (std::gcd(stride, blocks) != 1) stride += 2;
  return stride;
}

}  // namespace

const Kernel* find_kernel(uint64_t module, const char* name) {
  std::lock_guard<std::mutex> hold(modules().lock);
  const auto found = modules().kernels.find({module, name});
  return found == modules().kernels.end() ? nullptr : &found->second;
}

void* find_variable(uint64_t module, const char* name, size_t* bytes) {
  std::lock_guard<std::mutex> hold(modules().lock);
  const auto found = modules().variables.find({module, name});
  if (found == modules().variables.end()) return nullptr;
  if (bytes != nullptr) *bytes = found->second->bytes;
  return found->second->address;
}

Span variable_at(uint64_t address) {
  const uint64_t meeting = reinterpret_cast<uint64_t>(workspace);
  if (address - meeting < sizeof workspace) return {meeting, sizeof workspace};
  for (const Span& one : modules().spans)
    if (address >= one.first && address < one.first + one.bytes) return one;
  return {0, 0};
}

KernelFacts facts(const Kernel& kernel) {
  return {kernel.code->static_bytes, kernel.code->local_bytes, int(kernel.code->max_threads), 32};
}

void allow_dynamic_shared(const Kernel& kernel, size_t bytes) { kernel.allowed_dynamic = bytes; }

int launch(const Kernel& kernel, Dim grid, Dim block, void** args, size_t dynamic_shared_bytes, bool cooperative) {
  const Code& code = *kernel.code;
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > MAX_THREADS || threads > code.max_threads || grid.x == 0 || grid.y == 0 || grid.z == 0) return 9;
  const size_t shared = code.static_bytes + dynamic_shared_bytes;
  if (shared > 48 * 1024 && dynamic_shared_bytes > kernel.allowed_dynamic) return 1;
  const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  if (cooperative && blocks > COMPANY) return 720;
  std::vector<uint64_t> params(code.parameter_bytes / 8 + 2);
  uint8_t* place = reinterpret_cast<uint8_t*>(params.data());
  for (uint32_t n = 0; n < code.parameters; ++n) std::memcpy(place + code.offsets[n], args[n], code.sizes[n]);
  std::lock_guard<std::mutex> hold(one_grid);
  static uint64_t grids = 0;
  Launch one;
  one.code = &code;
  one.grid[0] = grid.x, one.grid[1] = grid.y, one.grid[2] = grid.z;
  one.block[0] = block.x, one.block[1] = block.y, one.block[2] = block.z;
  one.params = place;
  one.dynamic_bytes = uint32_t(dynamic_shared_bytes);
  one.grid_id = ++grids;
  workspace[1] = 0;
  one.workspace = cooperative ? reinterpret_cast<uint64_t>(workspace) : 0;
  one.blocks = blocks;
  if (settings.order == 1) one.start = blocks - 1, one.stride = blocks - 1;
  if (settings.order == 2) one.start = settings.seed % blocks, one.stride = stride_for(blocks, settings.seed >> 7);
  if (one.stride == 0) one.stride = 1;
  count_launch(code.name);
  crew().run(one);
  for (size_t n = 0; ; ++n) {  // who joins a grid may bring others
    std::thread last;
    {
      std::lock_guard<std::mutex> hold_company(company_lock);
      if (n == company.size()) {
        company.clear();
        break;
      }
      last = std::move(company[n]);
    }
    last.join();
  }
  return one.error.load();
}

void send_company(Worker& w) {
  Launch& launch = *const_cast<Launch*>(w.launch);
  if (launch.next.load() >= launch.blocks || launch.company.fetch_add(1) >= COMPANY) return;
  std::lock_guard<std::mutex> hold(company_lock);
  try {
    company.emplace_back([&launch] {
      Worker extra;
      extra.is_company = true;
      work(extra, launch);
    });
  } catch (const std::system_error&) {
    note_unsupported("blocks that wait for one another, more of them than this machine has threads for");
    launch.error = 801;
  }
}

}  // namespace kval

using namespace kval;

int kval_load_module(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  const Module* const* all = static_cast<const Module* const*>(dlsym(library, "kval_modules"));
  if (all == nullptr) return 2;
  std::lock_guard<std::mutex> hold(modules().lock);
  for (; *all != nullptr; ++all) {
    const Module& module = **all;
    for (uint32_t n = 0; n < module.kernel_count; ++n) {
      Kernel kernel;
      kernel.code = &module.kernels[n];
      modules().kernels.emplace(std::make_pair(module.hash, std::string(module.kernels[n].name)), kernel);
    }
    for (uint32_t n = 0; n < module.variable_count; ++n) {
      const Variable& one = module.variables[n];
      modules().variables.emplace(std::make_pair(module.hash, std::string(one.name)), &one);
      modules().spans.push_back({reinterpret_cast<uint64_t>(one.address), one.bytes});
    }
  }
  return 0;
}

void kval_settings(int order, uint64_t seed, int threads, int lenient_masks, int races) {
  settings = Settings{order, seed, threads, lenient_masks != 0, races != 0};
}

// --- what kernels ask of the device ----------------------------------------------------------------------------------

uint64_t kv_clock() { return kv_nanoseconds() * 2; }  // a device of 2 GHz

uint64_t kv_nanoseconds() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

uint64_t kv_malloc(uint64_t bytes) {
  void* place = nullptr;
  return cudaMalloc(&place, bytes) == 0 ? reinterpret_cast<uint64_t>(place) : 0;
}

void kv_free(uint64_t address) {
  if (address != 0) cudaFree(reinterpret_cast<void*>(address));
}

// printf: arguments lie one after another, each at a multiple of its own size (at most 8); chars and floats are widened.
uint32_t kv_print(const char* format, const uint8_t* arguments) {
  std::string text;
  uint32_t count = 0;
  size_t at = 0;
  for (const char* p = format; *p != 0; ++p) {
    if (*p != '%') {
      text += *p;
      continue;
    }
    if (p[1] == '%') {
      text += *++p;
      continue;
    }
    std::string spec = "%";
    bool wide = false;
    int stars = 0;
    for (++p; *p != 0 && std::strchr("-+ #0123456789.*lhzjt", *p) != nullptr; ++p) {
      if (*p == '*') ++stars;
      wide = wide || *p == 'l' || *p == 'z' || *p == 'j' || *p == 't';
      if (std::strchr("lhzjt", *p) == nullptr) spec += *p;
    }
    if (*p == 0 || stars > 0) break;
    const auto take = [&](size_t size) {
      at = (at + size - 1) / size * size;
      const uint8_t* here = arguments + at;
      at += size;
      return here;
    };
    char piece[512];
    const char kind = *p;
    if (std::strchr("eEfFgGaA", kind) != nullptr) {
      double value;
      std::memcpy(&value, take(8), 8);
      std::snprintf(piece, sizeof piece, (spec + kind).c_str(), value);
    } else if (kind == 's') {
      const char* value;
      std::memcpy(&value, take(8), 8);
      std::snprintf(piece, sizeof piece, (spec + kind).c_str(), value);
    } else if (wide || kind == 'p') {
      long long value;
      std::memcpy(&value, take(8), 8);
      std::snprintf(piece, sizeof piece, (spec + (kind == 'p' ? "p" : std::string("ll") + kind)).c_str(), value);
    } else {
      int value;
      std::memcpy(&value, take(4), 4);
      std::snprintf(piece, sizeof piece, (spec + kind).c_str(), value);
    }
    text += piece;
    ++count;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return count;
}
