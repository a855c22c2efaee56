// The threads of a block. They run one after another on one stack until one has to wait; a thread that waits keeps its
// stack, and the next one in turn goes on. A kernel without barriers never switches.

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine.h"
#include "worker.h"
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace kval {
namespace {

thread_local Worker* at_work = nullptr;

// --- switching stacks ------------------------------------------------------------------------------------------------

void live();

#if defined(__x86_64__)
extern "C" void kval_switch(void** save, void* load);
asm(R"(
.text
.globl kval_switch
.hidden kval_switch
.type kval_switch,@function
kval_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size kval_switch,.-kval_switch
)");

void* fresh_stack(uint8_t* top) {
  void** words = reinterpret_cast<void**>(top);
  *--words = nullptr;  // where a caller's return address would lie
  *--words = reinterpret_cast<void*>(live);
  for (int i = 0; i < 6; ++i) *--words = nullptr;
  return words;
}
#else
// Portable and slower: a context of its own for every stack, kept at the stack's top.
void kval_switch(void** save, void* load) {
  ucontext_t here;
  *save = &here;
  swapcontext(&here, static_cast<ucontext_t*>(load));
}

void* fresh_stack(uint8_t* top) {
  ucontext_t* context = reinterpret_cast<ucontext_t*>((reinterpret_cast<uintptr_t>(top) - sizeof(ucontext_t)) & ~uintptr_t(63));
  uint8_t* bottom = reinterpret_cast<uint8_t*>(context) - 24 * 1024;
  getcontext(context);
  context->uc_stack.ss_sp = bottom;
  context->uc_stack.ss_size = 24 * 1024;
  context->uc_link = nullptr;
  makecontext(context, live, 0);
  return context;
}
#endif

uint8_t* stack_top(Worker& w, uint32_t number) {
  uint8_t* end = w.stacks + (number + 1) * w.stack_bytes;
  return end - 64 * ((number * 5) & 63);  // not all at the same place in the cache
}

uint32_t take_stack(Worker& w) {
  if (!w.free_stacks.empty()) {
    const uint32_t number = w.free_stacks.back();
    w.free_stacks.pop_back();
    return number;
  }
  const uint32_t number = w.next_stack++;
  if (w.guarded && number >= w.stacks_made) {  // a page that nobody may touch ends every stack
    mprotect(w.stacks + number * w.stack_bytes, 4096, PROT_NONE);
    w.stacks_made = number + 1;
  }
  return number;
}

// --- turns -----------------------------------------------------------------------------------------------------------

bool may_run(const Fiber& f) { return f.state == State::fresh || (f.state == State::waiting && *f.counter != f.value); }

void answer(WarpState& warp, uint32_t lanes, uint32_t served);

// Lanes at __activemask get the set of those that stand at the same one, once nobody else of the warp can go on.
bool tell_active(WarpState& warp) {
  if (warp.asking == 0) return false;
  const Site* site = warp.slots[__builtin_ctz(warp.asking)].site;
  uint32_t group = 0;
  for (uint32_t rest = warp.asking; rest != 0; rest &= rest - 1) {
    const uint32_t lane = __builtin_ctz(rest);
    if (warp.slots[lane].site == site) group |= 1u << lane;
  }
  for (uint32_t rest = group; rest != 0; rest &= rest - 1) {
    const uint32_t lane = __builtin_ctz(rest);
    warp.slots[lane].result = group;
    ++warp.generation[lane];
  }
  warp.asking &= ~group;
  return true;
}

// The next thread in turn that can go on: of the same warp first, then of the ring of all. Null: none can.
Fiber* pick(Worker& w) {
  const uint32_t here = w.current == nullptr ? 0 : w.place_of[w.current->thread.index];
  const uint32_t first = here & ~31u, end = std::min(first + 32, w.count);
  for (int round = 0; round < 2; ++round) {
    for (uint32_t n = 1; n <= end - first; ++n) {
      Fiber& f = w.fibers[w.order[first + (here - first + n) % (end - first)]];
      if (may_run(f)) return &f;
    }
    if (w.current == nullptr || !tell_active(w.warps[w.current->thread.warp])) break;
  }
  for (uint32_t n = 1; n <= w.count; ++n) {
    const uint32_t place = here + n < w.count ? here + n : here + n - w.count;
    Fiber& f = w.fibers[w.order[place]];
    if (may_run(f)) return &f;
  }
  for (uint32_t warp = 0; warp * 32 < w.count; ++warp)
    if (tell_active(w.warps[warp])) return pick(w);
  return nullptr;
}

std::string waiting_for(const Worker& w) {
  uint32_t at_barrier = 0, at_warp = 0;
  const Site* barrier = nullptr;
  const Slot* warp = nullptr;
  uint32_t missing = 0;
  for (uint32_t i = 0; i < w.count; ++i) {
    const Fiber& f = w.fibers[i];
    if (f.state != State::waiting) continue;
    const WarpState& state = w.warps[f.thread.warp];
    if (state.waiting >> f.thread.lane & 1) {
      ++at_warp;
      if (warp == nullptr) {
        warp = &state.slots[f.thread.lane];
        missing = warp->mask & state.living & ~state.waiting;
      }
    } else {
      ++at_barrier;
    }
  }
  for (const Barrier& b : w.barriers)
    if (b.arrived > 0 && barrier == nullptr) barrier = b.site;
  char text[400] = "deadlock:";
  size_t at = 9;
  if (warp != nullptr)
    at += snprintf(text + at, sizeof text - at, " %u threads wait at %s (%s:%u) with mask 0x%08x, lanes 0x%08x do not come;", at_warp,
                   warp->site->what, warp->site->file, warp->site->line, warp->mask, missing);
  if (at_barrier > 0)
    snprintf(text + at, sizeof text - at, " %u of %u threads wait at %s (%s:%u)", at_barrier, w.count, barrier ? barrier->what : "a barrier",
             barrier ? barrier->file : "", barrier ? barrier->line : 0);
  return text;
}

// Where nobody can go on: as hardware often does, serve the lanes that are there.
bool serve_present(Worker& w) {
  for (uint32_t n = 0; n * 32 < w.count; ++n) {
    WarpState& warp = w.warps[n];
    if (warp.waiting == 0) continue;
    const Slot& first = warp.slots[__builtin_ctz(warp.waiting)];
    uint32_t group = 0;
    for (uint32_t rest = warp.waiting; rest != 0; rest &= rest - 1) {
      const uint32_t lane = __builtin_ctz(rest);
      if (warp.slots[lane].mask == first.mask && warp.slots[lane].what == first.what) group |= 1u << lane;
    }
    lint(w, *first.site, "a warp-wide instruction whose mask names lanes that do not come");
    answer(warp, group, group);
    return true;
  }
  return false;
}

[[noreturn]] void go_to(Worker& w, Fiber* next, uint32_t own_stack) {
  void* nobody;
  if (next->state == State::fresh) {
    next->stack = own_stack;
    w.current = next;
    kval_switch(&nobody, fresh_stack(stack_top(w, own_stack)));
  }
  w.free_stacks.push_back(own_stack);
  next->state = State::waiting;
  w.current = next;
  kval_switch(&nobody, next->stack_pointer);
  __builtin_unreachable();
}

Fiber* next_or_deadlock(Worker& w) {
  Fiber* next = pick(w);
  if (next == nullptr && w.settings->lenient && serve_present(w)) next = pick(w);
  return next;
}

// The current thread waits until `*counter` is no longer `value`.
void wait(Worker& w, const uint32_t* counter, uint32_t value, const Site& site) {
  Fiber& self = *w.current;
  self.state = State::waiting;
  self.counter = counter;
  self.value = value;
  Fiber* next = next_or_deadlock(w);
  if (next == nullptr) fail(self.thread, site, 702, waiting_for(w).c_str());
  if (next == &self) return;
  w.current = next;
  if (next->state == State::fresh) {
    next->stack = take_stack(w);
    kval_switch(&self.stack_pointer, fresh_stack(stack_top(w, next->stack)));
  } else {
    kval_switch(&self.stack_pointer, next->stack_pointer);
  }
}

// --- barriers --------------------------------------------------------------------------------------------------------

void release(Worker& w, Barrier& b) {
  if (b.divergent) lint(w, *b.site, "threads of one block meet at different barriers");
  const uint32_t slot = b.generation & 1;
  b.results[slot][0] = b.true_count;
  b.results[slot][1] = b.held;
  ++w.barrier_time;  // also where only some threads met: better a race unseen than one that is none
  ++b.generation;
  b.arrived = b.held = b.true_count = b.count = 0;
  b.divergent = false;
}

bool complete(const Worker& w, const Barrier& b) { return b.arrived >= (b.count != 0 ? b.count : w.living); }

void arrive(Barrier& b, const Site& site, uint32_t count) {
  if (b.arrived == 0) b.site = &site;
  else if (b.site->line != site.line || b.site->file != site.file) b.divergent = true;
  b.arrived += 1;
  b.count = count;
}

// --- warps -----------------------------------------------------------------------------------------------------------

int32_t as_signed(uint64_t v) { return int32_t(uint32_t(v)); }

uint64_t reduce(const WarpState& warp, uint32_t lanes, int what) {
  uint64_t r = warp.slots[__builtin_ctz(lanes)].value;
  for (uint32_t rest = lanes & (lanes - 1); rest != 0; rest &= rest - 1) {
    const uint64_t v = warp.slots[__builtin_ctz(rest)].value;
    switch (what) {
      case RED_ADD: r += v; break;
      case RED_MIN_U: r = std::min<uint32_t>(r, v); break;
      case RED_MAX_U: r = std::max<uint32_t>(r, v); break;
      case RED_MIN_S: r = uint32_t(std::min(as_signed(r), as_signed(v))); break;
      case RED_MAX_S: r = uint32_t(std::max(as_signed(r), as_signed(v))); break;
      case RED_AND: r &= v; break;
      case RED_OR: r |= v; break;
      default: r ^= v; break;
    }
  }
  return uint32_t(r);
}

void shuffle(WarpState& warp, uint32_t lane, uint32_t served) {
  Slot& s = warp.slots[lane];
  const uint32_t clamp = s.c & 31, segment = (s.c >> 8) & 31, offset = s.b & 31;
  const uint32_t low = lane & segment, high = low | (clamp & ~segment);
  int64_t from = 0;
  bool valid = false;
  switch (s.what) {
    case SHUFFLE_UP: from = int64_t(lane) - offset, valid = from >= int64_t(high); break;
    case SHUFFLE_DOWN: from = int64_t(lane) + offset, valid = from <= int64_t(high); break;
    case SHUFFLE_BFLY: from = lane ^ offset, valid = from <= int64_t(high); break;
    default: from = low | (offset & ~segment), valid = from <= int64_t(high); break;
  }
  if (!valid) from = lane;
  s.valid = valid;
  // A lane that takes no part has no value to give; a device returns something undefined.
  s.result = served >> from & 1 ? uint32_t(warp.slots[from].value) : 0xffffffffu;
}

// Element `i` of a lane's operand as the row and column that the instruction set gives it (mma.sync, m16n8).
struct Spot {
  int row, column;
};
Spot fixed_spot(char operand, int type, uint32_t lane, int i) {
  const int group = int(lane / 4), in_group = int(lane % 4);
  if (operand == 'c') return {group + (i >= 2 ? 8 : 0), in_group * 2 + (i & 1)};
  if (type == T_TF32) return operand == 'a' ? Spot{group + (i & 1 ? 8 : 0), in_group + (i >= 2 ? 4 : 0)} : Spot{in_group + 4 * i, group};
  if (operand == 'a') return {group + (i & 2 ? 8 : 0), in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
  return {in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0), group};
}

int packed(int type) { return type == T_F16 || type == T_BF16 ? 2 : type == T_S8 || type == T_U8 ? 4 : 1; }

double element(const uint32_t* words, int type, int i) {
  switch (type) {
    case T_F16: return kv::half_to_float(uint16_t(words[i / 2] >> (16 * (i & 1))));
    case T_BF16: return kv::bfloat_to_float(uint16_t(words[i / 2] >> (16 * (i & 1))));
    case T_S8: return int8_t(words[i / 4] >> (8 * (i & 3)));
    case T_U8: return uint8_t(words[i / 4] >> (8 * (i & 3)));
    case T_S32: return int32_t(words[i]);
    case T_TF32: return kv::bits<float>(words[i] & 0xffffe000u);
    default: return kv::bits<float>(words[i]);
  }
}

void gather(const WarpState& warp, char operand, std::vector<double>& to, int rows, int columns) {
  to.assign(size_t(rows) * columns, 0.0);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const Matrix& m = *reinterpret_cast<const Matrix*>(warp.slots[lane].value);
    const uint32_t* words = operand == 'a' ? m.a : operand == 'b' ? m.b : m.c;
    const int type = operand == 'a' ? m.a_type : operand == 'b' ? m.b_type : m.c_type;
    const int each = int(operand == 'a' ? m.a_count : operand == 'b' ? m.b_count : m.c_count) * packed(type);
    for (int i = 0; i < each; ++i) {
      const int flat = (int(lane) * each + i) % (rows * columns);
      const Spot spot = m.fixed ? fixed_spot(operand, m.a_type, lane, i) : Spot{flat / columns, flat % columns};
      to[size_t(spot.row) * columns + spot.column] = element(words, type, i);
    }
  }
}

// d = a x b + c over the whole warp, summed in float (integers exactly), as a tensor core's accumulators are.
void multiply(WarpState& warp, uint32_t lanes) {
  if (lanes != 0xffffffffu) return;
  const Matrix& shape = *reinterpret_cast<const Matrix*>(warp.slots[0].value);
  std::vector<double> a, b, c;
  gather(warp, 'a', a, shape.m, shape.k);
  gather(warp, 'b', b, shape.k, shape.n);
  gather(warp, 'c', c, shape.m, shape.n);
  const bool whole = shape.d_type == T_S32;
  for (int row = 0; row < shape.m; ++row)
    for (int column = 0; column < shape.n; ++column) {
      double sum = c[size_t(row) * shape.n + column];
      for (int k = 0; k < shape.k; ++k) {
        sum += a[size_t(row) * shape.k + k] * b[size_t(k) * shape.n + column];
        if (!whole) sum = float(sum);
      }
      c[size_t(row) * shape.n + column] = sum;
    }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const Matrix& m = *reinterpret_cast<const Matrix*>(warp.slots[lane].value);
    const int each = int(m.d_count) * packed(m.d_type);
    std::fill(m.d, m.d + m.d_count, 0u);
    for (int i = 0; i < each; ++i) {
      const int flat = (int(lane) * each + i) % (shape.m * shape.n);
      const Spot spot = m.fixed ? fixed_spot('c', m.a_type, lane, i) : Spot{flat / shape.n, flat % shape.n};
      const double value = c[size_t(spot.row) * shape.n + spot.column];
      if (m.d_type == T_F16) m.d[i / 2] |= uint32_t(kv::float_to_half(float(value))) << (16 * (i & 1));
      else if (m.d_type == T_S32) m.d[i] = uint32_t(int32_t(int64_t(value)));
      else m.d[i] = kv::bits<uint32_t>(float(value));
    }
  }
}

void answer(WarpState& warp, uint32_t lanes, uint32_t served) {
  const int what = warp.slots[__builtin_ctz(lanes)].what;
  uint32_t truths = 0;
  bool same = true;
  const uint64_t first = warp.slots[__builtin_ctz(lanes)].value;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const uint32_t lane = __builtin_ctz(rest);
    if (warp.slots[lane].value != 0) truths |= 1u << lane;
    same = same && warp.slots[lane].value == first;
  }
  if (what == MATRIX) multiply(warp, lanes);
  const uint64_t reduced = what >= RED_ADD && what <= RED_XOR ? reduce(warp, lanes, what) : 0;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const uint32_t lane = __builtin_ctz(rest);
    Slot& s = warp.slots[lane];
    switch (what) {
      case SYNC: s.result = 0; break;
      case BALLOT: s.result = truths; break;
      case ANY: s.result = truths != 0; break;
      case ALL: s.result = truths == lanes; break;
      case UNI: s.result = truths == lanes || truths == 0; break;
      case MATCH_ALL: s.result = same ? lanes : 0, s.valid = same; break;
      case MATCH_ANY: {
        uint32_t group = 0;
        for (uint32_t others = lanes; others != 0; others &= others - 1)
          if (warp.slots[__builtin_ctz(others)].value == s.value) group |= 1u << __builtin_ctz(others);
        s.result = group, s.valid = true;
        break;
      }
      case SHUFFLE_UP: case SHUFFLE_DOWN: case SHUFFLE_BFLY: case SHUFFLE_IDX: shuffle(warp, lane, served); break;
      case MATRIX: break;
      default: s.result = reduced; break;
    }
  }
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) ++warp.generation[__builtin_ctz(rest)];
  warp.waiting &= ~lanes;
  ++warp.epoch;
}

// Answers the lanes that wait with `mask` if all of them that live are there.
bool try_answer(WarpState& warp, uint32_t mask, int what) {
  const uint32_t needed = mask & warp.living;
  if (needed == 0 || (needed & ~warp.waiting) != 0) return false;
  for (uint32_t rest = needed; rest != 0; rest &= rest - 1) {
    const Slot& s = warp.slots[__builtin_ctz(rest)];
    if (s.mask != mask || s.what != what) return false;
  }
  answer(warp, needed, needed);
  return true;
}

// --- a thread's life -------------------------------------------------------------------------------------------------

// The thread is over: who waited for it alone may go on.
void leave(Worker& w) {
  Fiber& self = *w.current;
  self.state = State::done;
  --w.living;
  WarpState& warp = w.warps[self.thread.warp];
  warp.living &= ~(1u << self.thread.lane);
  for (uint32_t rest = warp.waiting; rest != 0; rest &= rest - 1) {
    const uint32_t lane = __builtin_ctz(rest);
    if (warp.waiting >> lane & 1) try_answer(warp, warp.slots[lane].mask, warp.slots[lane].what);
  }
  for (Barrier& b : w.barriers) {
    if (b.arrived > 0 && b.count == 0 && complete(w, b)) {
      lint(w, *b.site, "some threads of the block end without the barrier that others wait at");
      release(w, b);
    }
  }
}

[[noreturn]] void finish(Worker& w) {
  leave(w);
  const uint32_t stack = w.current->stack;
  Thread& last = w.current->thread;
  Fiber* next = next_or_deadlock(w);
  void* nobody;
  if (next == nullptr) {
    static const Site nowhere{"", 0, "the end of a thread"};
    if (w.living > 0) fail(last, nowhere, 702, waiting_for(w).c_str());
    kval_switch(&nobody, w.main_pointer);
  }
  go_to(w, next, stack);
}

void live() {
  Worker& w = *at_work;
  w.launch->code->run(w.current->thread);
  finish(w);
}

// All threads of a kernel that never waits, on one stack.
void live_in_turn() {
  Worker& w = *at_work;
  void (*run)(Thread&) = w.launch->code->run;
  for (uint32_t n = 0; n < w.count; ++n) {
    w.current = &w.fibers[w.order[n]];
    Thread thread = w.current->thread;
    run(thread);
  }
  void* nobody;
  kval_switch(&nobody, w.main_pointer);
}

uint64_t mix(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

void decide_order(Worker& w) {
  const int order = w.settings->order;
  if (order != 2 && order == w.ordered_as) return;
  w.ordered_as = order;
  for (uint32_t n = 0; n < w.count; ++n) w.order[n] = order == 1 ? w.count - 1 - n : n;
  if (order == 2) {
    uint64_t state = w.settings->seed ^ (uint64_t(w.block.ctaid[0]) << 40) ^ (uint64_t(w.block.ctaid[1]) << 20) ^ w.block.ctaid[2];
    const uint32_t whole = w.count / 32;
    uint32_t warps[MAX_THREADS / 32];
    for (uint32_t n = 0; n < whole; ++n) warps[n] = n;
    for (uint32_t n = whole; n > 1; --n) std::swap(warps[n - 1], warps[mix(state) % n]);
    for (uint32_t n = 0; n < whole * 32; ++n) w.order[n] = warps[n / 32] * 32 + n % 32;
    for (uint32_t first = 0; first < w.count; first += 32) {
      const uint32_t size = std::min(32u, w.count - first);
      for (uint32_t n = size; n > 1; --n) std::swap(w.order[first + n - 1], w.order[first + mix(state) % n]);
    }
  }
  for (uint32_t n = 0; n < w.count; ++n) w.place_of[w.order[n]] = n;
}

void live_on_one_stack();

}  // namespace

Worker::~Worker() {
  if (stacks != nullptr) munmap(stacks, stacks_bytes);
}

void prepare_stacks(Worker& w, const Code& code) {
  const size_t deep = code.calls ? 64 * 1024 + 2 * size_t(code.local_bytes) : 0;
  const size_t wanted = (16 * 1024 + code.frame_bytes + deep + 4095) & ~size_t(4095);
  w.guarded = code.calls;
  if (w.stacks != nullptr && w.stack_bytes == wanted && w.guarded == w.guards_stand) return;
  if (w.stacks != nullptr) munmap(w.stacks, w.stacks_bytes);
  w.stack_bytes = wanted;
  w.stacks_bytes = wanted * (MAX_THREADS + 1);
  void* place = mmap(nullptr, w.stacks_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  w.stacks = place == MAP_FAILED ? nullptr : static_cast<uint8_t*>(place);
  if (!w.guarded && code.waits && !w.is_company) madvise(w.stacks, w.stacks_bytes, MADV_HUGEPAGE);  // switching touches one stack after another
  w.guards_stand = w.guarded;
  w.stacks_made = 0;
}

bool run_block(Worker& w) {
  at_work = &w;
  const Launch& launch = *w.launch;
  const uint32_t count = launch.block[0] * launch.block[1] * launch.block[2];
  const bool same_shape = w.count == count && w.fibers[0].thread.block == &w.block && std::equal(launch.block, launch.block + 3, w.block.ntid);
  if (!same_shape) {
    w.count = count;
    w.ordered_as = -1;
    std::copy(launch.block, launch.block + 3, w.block.ntid);
    for (uint32_t n = 0; n < count; ++n) {
      Thread& t = w.fibers[n].thread;
      t.tid[0] = n % launch.block[0];
      t.tid[1] = n / launch.block[0] % launch.block[1];
      t.tid[2] = n / launch.block[0] / launch.block[1];
      t.index = n, t.lane = n & 31, t.warp = n >> 5, t.block = &w.block;
    }
  }
  decide_order(w);
  w.living = count;
  w.ended_early = false;
  w.free_stacks.clear();
  w.next_stack = 0;
  const uint32_t stack = take_stack(w);
  if (launch.code->waits) {
    for (uint32_t n = 0; n < count; ++n) w.fibers[n].state = State::fresh, w.fibers[n].spins = 0;
    for (uint32_t n = 0; n * 32 < count; ++n) {
      WarpState& warp = w.warps[n];
      warp.living = count - n * 32 >= 32 ? 0xffffffffu : (1u << (count - n * 32)) - 1;
      warp.waiting = warp.asking = 0;
    }
    for (Barrier& b : w.barriers) b.arrived = b.held = b.true_count = b.count = 0, b.divergent = false;
    ++w.barrier_time;
    w.current = nullptr;
    Fiber* first = &w.fibers[w.order[0]];
    w.current = first;
    first->stack = stack;
    kval_switch(&w.main_pointer, fresh_stack(stack_top(w, stack)));
  } else {
    live_on_one_stack();
  }
  return !w.ended_early;
}

void abandon(Worker& w) {
  w.ended_early = true;
  void* nobody;
  kval_switch(&nobody, w.main_pointer);
  __builtin_unreachable();
}

namespace {

#if defined(__x86_64__)
void live_on_one_stack() {
  Worker& w = *at_work;
  void** words = static_cast<void**>(fresh_stack(stack_top(w, 0)));
  words[6] = reinterpret_cast<void*>(live_in_turn);
  kval_switch(&w.main_pointer, words);
}
#else
void live_on_one_stack() {
  Worker& w = *at_work;
  ucontext_t* context = static_cast<ucontext_t*>(fresh_stack(stack_top(w, 0)));
  makecontext(context, live_in_turn, 0);
  kval_switch(&w.main_pointer, context);
}
#endif

Worker& worker_of(Thread& t) { return *t.block->worker; }

}  // namespace
}  // namespace kval

// --- what translated kernels call ------------------------------------------------------------------------------------

using namespace kval;

uint32_t kv_barrier(Thread& t, const Site& site, uint32_t id, uint32_t count, int reduce, bool value) {
  Worker& w = worker_of(t);
  if (id >= BARRIERS) fail(t, site, 719, "a barrier beyond the sixteenth");
  Barrier& b = w.barriers[id];
  const uint32_t generation = b.generation;
  arrive(b, site, count);
  b.held += 1;
  b.true_count += value ? 1 : 0;
  if (complete(w, b)) release(w, b);
  else wait(w, &b.generation, generation, site);
  if (reduce == 0) return 0;
  const uint32_t* result = b.results[generation & 1];
  return reduce == 1 ? result[0] : reduce == 2 ? result[0] == result[1] : result[0] != 0;
}

void kv_arrive(Thread& t, const Site& site, uint32_t id, uint32_t count) {
  Worker& w = worker_of(t);
  if (id >= BARRIERS) fail(t, site, 719, "a barrier beyond the sixteenth");
  Barrier& b = w.barriers[id];
  arrive(b, site, count);
  if (complete(w, b)) release(w, b);
}

uint64_t kv_warp(Thread& t, const Site& site, uint32_t mask, int what, uint64_t value, uint32_t b, uint32_t c, bool* valid) {
  Worker& w = worker_of(t);
  WarpState& warp = w.warps[t.warp];
  if ((mask >> t.lane & 1) == 0) {
    lint(w, site, "a warp-wide instruction whose mask does not name the lane that runs it");
    mask |= 1u << t.lane;
  }
  Slot& s = warp.slots[t.lane];
  s = {what, mask, b, c, value, 0, false, &site};
  warp.waiting |= 1u << t.lane;
  const uint32_t generation = warp.generation[t.lane];
  if (!try_answer(warp, mask, what)) wait(w, &warp.generation[t.lane], generation, site);
  if (valid != nullptr) *valid = s.valid;
  return s.result;
}

void kv_matrix(Thread& t, const Site& site, const Matrix& matrix) {
  kv_warp(t, site, 0xffffffffu, MATRIX, reinterpret_cast<uint64_t>(&matrix), 0, 0, nullptr);
}

uint32_t kv_active(Thread& t, const Site& site) {
  Worker& w = worker_of(t);
  WarpState& warp = w.warps[t.warp];
  warp.slots[t.lane] = {SYNC, 0, 0, 0, 0, 0, false, &site};
  warp.asking |= 1u << t.lane;
  wait(w, &warp.generation[t.lane], warp.generation[t.lane], site);
  return uint32_t(warp.slots[t.lane].result);
}

namespace {

// Lets the next thread in turn go on; false where there is none. The current one may go on again in its turn.
bool give_way(Worker& w) {
  static const uint32_t never = 0;
  Fiber& self = *w.current;
  self.state = State::waiting;  // hidden from `pick` until another was looked for
  self.counter = &never;
  self.value = 0;
  Fiber* next = pick(w);
  self.value = 1;
  if (next == nullptr || next == &self) return false;
  w.current = next;
  if (next->state == State::fresh) {
    next->stack = take_stack(w);
    kval_switch(&self.stack_pointer, fresh_stack(stack_top(w, next->stack)));
  } else {
    kval_switch(&self.stack_pointer, next->stack_pointer);
  }
  return true;
}

}  // namespace

void kv_yield(Thread& t) {
  Worker& w = worker_of(t);
  if (!w.launch->code->waits || (++w.current->spins & 63) != 0 || give_way(w)) return;
  if (w.launch->error.load(std::memory_order_relaxed) != 0) abandon(w);  // nobody will come any more
  if (++w.idle_turns % 64 == 0) send_company(w);
  sched_yield();
}

void kv_step(Thread& t) {
  Worker& w = worker_of(t);
  if (w.launch->code->waits) give_way(w);
}

void kv_exit(Thread& t) {
  Worker& w = worker_of(t);
  if (w.launch->code->waits) finish(w);
  abandon(w);  // unreachable: an `exit` makes a kernel one that waits
}

bool kv_in_stack(Thread& t, uint64_t address) {
  const Worker& w = worker_of(t);
  const uint64_t first = reinterpret_cast<uint64_t>(w.stacks);
  return address >= first && address < first + w.stacks_bytes;
}

bool kv_in_shared(Thread& t, uint64_t address) {
  const Worker& w = worker_of(t);
  return address - reinterpret_cast<uint64_t>(t.block->shared) < w.arena.size();
}

void kv_race(Thread& t, const Site& site, uint32_t address, uint32_t bytes, bool write) {
  Worker& w = worker_of(t);
  const uint32_t warp_time = w.warps[t.warp].epoch, self = t.index + 1;
  const auto ordered = [&](uint16_t other, uint32_t time, uint32_t other_warp_time) {
    if (other == 0 || other == self || time != w.barrier_time) return true;
    return uint32_t(other - 1) / 32 == t.warp && other_warp_time != warp_time;
  };
  for (uint32_t byte = address; byte < address + bytes && byte < w.touches.size(); ++byte) {
    Touch& touch = w.touches[byte];
    const bool read_clash = write && touch.read_time == w.barrier_time && (touch.many_readers || !ordered(touch.reader, touch.read_time, touch.read_warp_time));
    if (!ordered(touch.writer, touch.write_time, touch.write_warp_time) || read_clash)
      lint(w, site, write ? "a race on shared memory: another thread touches what this one writes, with no barrier between"
                          : "a race on shared memory: another thread writes what this one reads, with no barrier between");
    if (write) {
      touch.writer = uint16_t(self), touch.write_time = w.barrier_time, touch.write_warp_time = warp_time;
    } else {
      touch.many_readers = touch.read_time == w.barrier_time && touch.reader != 0 && touch.reader != self &&
                           (touch.many_readers || uint32_t(touch.reader - 1) / 32 != t.warp);
      touch.reader = uint16_t(self), touch.read_time = w.barrier_time, touch.read_warp_time = warp_time;
    }
  }
}
