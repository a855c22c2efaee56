// One thread of the machine at work on one block after another: its shared memory, the stacks of the block's threads,
// and who of them waits for what.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "simt.h"

namespace kval {

struct Settings {
  int order = 0;  // 0 forward, 1 reverse, 2 random
  uint64_t seed = 0;
  int threads = 1;
  bool lenient = false;  // serve the lanes that are present where a warp-wide instruction waits for ever
  bool races = false;
};

constexpr uint32_t MAX_THREADS = 1024;
constexpr uint32_t BARRIERS = 16;

enum class State : uint8_t { fresh, waiting, done };

// A thread of the block. It may go on once `*counter` is no longer `value`.
struct Fiber {
  void* stack_pointer;
  const uint32_t* counter;
  uint32_t value;
  State state;
  uint8_t spins;
  uint32_t stack;
  Thread thread;
};

struct Barrier {
  uint32_t generation, arrived;
  uint32_t count;  // 0: all threads that live
  uint32_t held, true_count;
  uint32_t results[2][2];  // of the last two generations: how many said true, how many came
  const Site* site;
  bool divergent;
};

struct Slot {
  int what;
  uint32_t mask, b, c;
  uint64_t value, result;
  bool valid;
  const Site* site;
};

struct WarpState {
  uint32_t living, waiting, asking;  // asking: lanes at __activemask
  uint32_t generation[32];
  uint32_t epoch;
  Slot slots[32];
};

// Who touched a byte of shared memory last, where races are looked for. Threads count from 1.
struct Touch {
  uint16_t writer, reader;
  uint32_t write_time, read_time;          // in barriers of the block
  uint32_t write_warp_time, read_warp_time;  // in synchronisations of the warp
  bool many_readers;
};

struct Launch;

struct Worker {
  Block block{};
  const Launch* launch = nullptr;
  const Settings* settings = nullptr;
  std::vector<uint8_t> arena;
  std::vector<Cache> caches;
  std::vector<Touch> touches;
  std::unique_ptr<Fiber[]> fibers = std::make_unique<Fiber[]>(MAX_THREADS);
  std::unique_ptr<WarpState[]> warps = std::make_unique<WarpState[]>(MAX_THREADS / 32);
  Barrier barriers[BARRIERS]{};
  uint32_t barrier_time = 0;
  uint32_t order[MAX_THREADS]{};     // the turn of each place; a warp's turns are neighbours
  uint32_t place_of[MAX_THREADS]{};
  int ordered_as = -1;
  uint32_t count = 0, living = 0;
  Fiber* current = nullptr;
  void* main_pointer = nullptr;
  bool ended_early = false;
  uint8_t* stacks = nullptr;
  size_t stack_bytes = 0, stacks_bytes = 0;
  bool is_company = false;
  bool guarded = false, guards_stand = false;
  uint32_t stacks_made = 0;
  uint32_t next_stack = 0;
  uint32_t idle_turns = 0;  // of a loop that waits while nobody else of the block can go on
  std::vector<uint32_t> free_stacks;

  ~Worker();
};

struct Launch {
  const Code* code;
  uint32_t grid[3], block[3];
  const uint8_t* params;
  uint32_t dynamic_bytes;
  uint64_t grid_id, workspace;
  std::atomic<uint64_t> next{0};
  uint64_t blocks;
  uint64_t stride = 1, start = 0;  // the order of blocks: (start + n * stride) mod blocks
  std::atomic<int> error{0};
  std::atomic<uint32_t> company{0};  // threads beyond the crew
};

// A block waits in a loop for what only another block can do: another thread of the machine takes the next block.
void send_company(Worker& worker);

// Runs the block that `worker.block.ctaid` names. False where it faulted.
bool run_block(Worker& worker);
void prepare_stacks(Worker& worker, const Code& code);

// A fault of the kernel that runs on this worker: noted with its name and place; the block ends.
[[noreturn]] void fail(Thread& thread, const Site& site, int error, const char* what);
[[noreturn]] void abandon(Worker& worker);
void lint(Worker& worker, const Site& site, const char* what);

// The variable of a loaded module that holds the address; bytes 0: none.
struct Span {
  uint64_t first, bytes;
};
Span variable_at(uint64_t address);
void count_launch(const char* kernel);

}  // namespace kval
