// What a kernel did that no device allows, said with its name, place and thread; and the report of a run.

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"
#include "memory.h"
#include "worker.h"

namespace kval {
namespace {

constexpr size_t LINTS = 20;

struct Report {
  std::mutex lock;
  std::string fault, unsupported;
  std::vector<std::string> lints;
  std::map<std::string, uint64_t> launches;
};

Report& report() {
  static Report* one = new Report;  // never destroyed: kernels of other static objects may still run
  return *one;
}

std::string readable(const char* mangled) {
  int status = 0;
  char* plain = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string name = status == 0 && plain != nullptr ? plain : mangled;
  std::free(plain);
  const size_t end = name.find_first_of("(");
  return end == std::string::npos ? name : name.substr(0, end);
}

std::string placed(const Worker& w, const Site& site, const std::string& what) {
  std::string text = "kernel " + readable(w.launch->code->name) + ": " + what;
  if (site.line > 0) text += std::string(" (") + site.file + ":" + std::to_string(site.line) + ")";
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char one : text) {
    if (one == '"' || one == '\\') out += '\\', out += one;
    else if (static_cast<unsigned char>(one) < 32) {
      char code[8];
      snprintf(code, sizeof code, "\\u%04x", one);
      out += code;
    } else out += one;
  }
  return out + "\"";
}

const char* space_name(int space) {
  switch (space) {
    case SHARED: return "shared memory";
    case LOCAL: case OWN: return "local memory";
    case CONSTANT: return "constant memory";
    default: return "global memory";
  }
}

}  // namespace

void note_fault(const char* text) {
  std::lock_guard<std::mutex> hold(report().lock);
  if (report().fault.empty()) report().fault = text;
}

void note_unsupported(const char* text) {
  std::lock_guard<std::mutex> hold(report().lock);
  // What is asked for after a fault is asked by whoever reports it.
  if (report().unsupported.empty() && report().fault.empty()) report().unsupported = text;
}

void note_lint(const char* text) {
  std::lock_guard<std::mutex> hold(report().lock);
  auto& lints = report().lints;
  for (const std::string& one : lints)
    if (one == text) return;
  if (lints.size() < LINTS) lints.emplace_back(text);
}

const char* fault() { return report().fault.c_str(); }
const char* unsupported() { return report().unsupported.c_str(); }

void count_launch(const char* kernel) {
  std::lock_guard<std::mutex> hold(report().lock);
  ++report().launches[kernel];
}

void lint(Worker& w, const Site& site, const char* what) { note_lint(placed(w, site, what).c_str()); }

void fail(Thread& t, const Site& site, int error, const char* what) {
  Worker& w = *t.block->worker;
  char thread[160];
  snprintf(thread, sizeof thread, " in thread (%u,%u,%u) of block (%u,%u,%u)", t.tid[0], t.tid[1], t.tid[2], t.block->ctaid[0],
           t.block->ctaid[1], t.block->ctaid[2]);
  note_fault(placed(w, site, std::string(what) + thread).c_str());
  int none = 0;
  const_cast<Launch*>(w.launch)->error.compare_exchange_strong(none, error);
  abandon(w);
}

}  // namespace kval

using namespace kval;

const char* kval_report() {
  static thread_local std::string text;
  std::lock_guard<std::mutex> hold(report().lock);
  const Report& r = report();
  text = "{\"launches\":[";
  bool first = true;
  for (const auto& [name, count] : r.launches) {
    text += (first ? "" : ",") + ("{\"name\":" + quoted(name)) + ",\"count\":" + std::to_string(count) + "}";
    first = false;
  }
  text += "],\"fault\":" + (r.fault.empty() ? "null" : quoted(r.fault));
  text += ",\"unsupported\":" + (r.unsupported.empty() ? "null" : quoted(r.unsupported)) + ",\"lints\":[";
  for (size_t i = 0; i < r.lints.size(); ++i) text += (i > 0 ? "," : "") + quoted(r.lints[i]);
  text += "]}";
  return text.c_str();
}

void kval_reset_report() {
  std::lock_guard<std::mutex> hold(report().lock);
  report().fault.clear();
  report().unsupported.clear();
  report().lints.clear();
  report().launches.clear();
}

// --- addresses -------------------------------------------------------------------------------------------------------

namespace {

// The array of shared memory that holds an offset.
Span shared_at(const Worker& w, uint64_t offset) {
  const Code& code = *w.launch->code;
  if (offset >= code.dynamic_first && offset < uint64_t(code.dynamic_first) + w.launch->dynamic_bytes)
    return {code.dynamic_first, w.launch->dynamic_bytes};
  for (uint32_t n = 0; n < code.shared_arrays; ++n)
    if (offset >= code.shared[n].first && offset < uint64_t(code.shared[n].first) + code.shared[n].bytes)
      return {code.shared[n].first, code.shared[n].bytes};
  return {0, 0};
}

void keep(Cache& cache, Span span, uint32_t bytes) { cache = {span.first, span.bytes - bytes}; }

[[noreturn]] void out_of_bounds(Thread& t, const Site& site, uint64_t address, uint32_t bytes, int space, bool write) {
  char where[200] = "";
  if (space == SHARED) {
    const Code& code = *t.block->worker->launch->code;
    uint64_t nearest = 0, past = ~0ull;
    for (uint32_t n = 0; n < code.shared_arrays; ++n) {
      const uint64_t end = uint64_t(code.shared[n].first) + code.shared[n].bytes;
      if (address + bytes > end && address - code.shared[n].first < past) past = address - code.shared[n].first, nearest = code.shared[n].bytes;
    }
    const uint64_t dynamic = t.block->worker->launch->dynamic_bytes;
    if (address >= code.dynamic_first) past = address - code.dynamic_first, nearest = dynamic;
    if (past != ~0ull) snprintf(where, sizeof where, "byte %llu of an array of %llu bytes", (unsigned long long)past, (unsigned long long)nearest);
    else snprintf(where, sizeof where, "before the first array");
  } else if (space == LOCAL || space == OWN) {
    snprintf(where, sizeof where, "outside the thread's own arrays");
  } else {
    describe_address(address, where, sizeof where);
  }
  char text[400];
  snprintf(text, sizeof text, "an out-of-bounds %s of %u bytes in %s, %s,", write ? "write" : "read", bytes, space_name(space), where);
  fail(t, site, 700, text);
}

}  // namespace

void kv_miss(Thread& t, Cache& cache, const Site& site, uint64_t address, uint32_t bytes, uint32_t align, int space, bool write) {
  Worker& w = *t.block->worker;
  if ((address & (align - 1)) != 0) {
    char text[200];
    snprintf(text, sizeof text, "a misaligned %s of %u bytes in %s", write ? "write" : "read", bytes, space_name(space));
    fail(t, site, 716, text);
  }
  if (space == SHARED) {
    const Span span = shared_at(w, address);
    if (span.bytes == 0 || address + bytes > span.first + span.bytes) out_of_bounds(t, site, address, bytes, space, write);
    keep(cache, span, bytes);
    return;
  }
  if (space == OWN) out_of_bounds(t, site, address, bytes, space, write);
  if (space != LOCAL) {
    const Range range = find_range(address);
    Span span{range.first, range.bytes};
    if (span.bytes == 0) span = variable_at(address);
    if (span.bytes == 0 && kv_in_shared(t, address)) {
      const uint64_t base = reinterpret_cast<uint64_t>(t.block->shared);
      span = shared_at(w, address - base);
      span.first += base;
      if (span.bytes == 0) out_of_bounds(t, site, address - base, bytes, SHARED, write);
    }
    if (span.bytes != 0) {
      if (address + bytes > span.first + span.bytes) out_of_bounds(t, site, address, bytes, space, write);
      if (write) mark_work(address);
      keep(cache, span, bytes);
      return;
    }
  }
  // Through a pointer to local memory, a caller's or its own: somewhere in the stack of this thread, above where it is.
  const uint64_t stack = reinterpret_cast<uint64_t>(w.stacks) + (w.launch->code->waits ? w.current->stack : 0) * w.stack_bytes;
  const uint64_t here = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
  if (address >= here && address + bytes <= stack + w.stack_bytes) return;
  out_of_bounds(t, site, address, bytes, space, write);
}

// As kv_miss for a whole stretch, which is no fault where it is not within one range.
bool kv_within(Thread& t, Cache& cache, uint64_t address, uint32_t bytes, int space, bool write) {
  if (t.block->shadow != nullptr) return false;  // every access is looked at alone
  Span span{0, 0};
  if (space == SHARED) {
    span = shared_at(*t.block->worker, address);
  } else {
    const Range range = find_range(address);
    span = range.bytes != 0 ? Span{range.first, range.bytes} : variable_at(address);
  }
  if (span.bytes < bytes || address + bytes > span.first + span.bytes) return false;
  if (write && space != SHARED) mark_work(address);
  keep(cache, span, bytes);
  return true;
}

void kv_trap(Thread& t, const Site& site, const char* what) { fail(t, site, 719, what); }

void kv_assert(Thread& t, const char* message, const char* file, uint32_t line, const char* function) {
  (void)function;
  const Site site{file, line, "assert"};
  fail(t, site, 710, (std::string("assertion failed: ") + message).c_str());
}
