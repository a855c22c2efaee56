#include "memory.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>

#include <sys/mman.h>
#include <unistd.h>

namespace kval {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kFence = 256;              // no-man's-land around small blocks
constexpr size_t kWideFence = 64 << 10;     // ... and around mapped ones, where it costs only addresses
constexpr size_t kMapped = 256 << 10;       // from here on a mapping of its own: freed memory goes back at once
constexpr size_t kHuge = 4 << 20;           // from here on worth the system's large pages
constexpr size_t kAskFirst = 64 << 20;      // from here on the machine is asked whether it has the room
constexpr size_t kSpare = 256 << 20;        // what an allocation leaves for everybody else
constexpr size_t kQuarantineBlocks = 4096;  // freed ranges that are still named
constexpr size_t kQuarantineBytes = 32 << 20;           // small ones among them keep their memory this long
constexpr size_t kQuarantineAddresses = size_t(256) << 30;  // mapped ones only their addresses
constexpr size_t kNear = 1 << 20;           // an address this close to an allocation is told by it

struct Block {
    size_t bytes;
    Kind kind;
    char* base;  // null: somebody else's memory
    size_t whole;
    bool mapped;
    bool work = false;
};

struct Freed {
    uintptr_t first;
    Block block;
};

// Never destroyed: libraries free memory while the process ends.
struct Memory {
    std::shared_mutex lock;
    std::map<uintptr_t, Block> live;
    std::deque<Freed> freed;
    size_t held_bytes = 0;
    size_t held_addresses = 0;
};

Memory& memory() {
    static Memory* one = new Memory;
    return *one;
}

std::atomic<int> poison{0xFF};
thread_local bool fills = true;

size_t page_bytes() {
    static const size_t bytes = size_t(sysconf(_SC_PAGESIZE));
    return bytes;
}

size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

bool map_block(size_t bytes, Block& block, char*& first) {
    if (bytes > SIZE_MAX / 2 || (bytes >= kAskFirst && bytes + kSpare > capacity().free_bytes)) return false;
    size_t inner = round_up(bytes, page_bytes());
    block.whole = inner + 2 * kWideFence;
    void* base = mmap(nullptr, block.whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return false;
    block.base = static_cast<char*>(base);
    first = block.base + kWideFence;
    if (mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, block.whole);
        return false;
    }
    if (bytes >= kHuge) madvise(first, inner, MADV_HUGEPAGE);
    return true;
}

bool carve_block(size_t bytes, Block& block, char*& first) {
    block.whole = round_up(bytes, kAlignment) + 2 * kFence;
    block.base = static_cast<char*>(aligned_alloc(kAlignment, block.whole));
    if (block.base == nullptr) return false;
    first = block.base + kFence;
    return true;
}

void give_back(const Block& block) {
    if (block.mapped) {
        munmap(block.base, block.whole);
    } else {
        free(block.base);
    }
}

// The live allocation that holds `address`; end() where none does.
std::map<uintptr_t, Block>::iterator holder(Memory& m, uintptr_t address) {
    auto after = m.live.upper_bound(address);
    if (after == m.live.begin()) return m.live.end();
    auto found = std::prev(after);
    return address - found->first < found->second.bytes ? found : m.live.end();
}

bool is_mapped_memory(uintptr_t address) {
    uintptr_t page = address / page_bytes() * page_bytes();
    return msync(reinterpret_cast<void*>(page), 1, MS_ASYNC) == 0;
}

}  // namespace

Range find_range(uintptr_t address) {
    Memory& m = memory();
    std::shared_lock<std::shared_mutex> guard(m.lock);
    auto found = holder(m, address);
    return found == m.live.end() ? Range{0, 0} : Range{found->first, found->second.bytes};
}

Kind kind_of(uintptr_t address) {
    Memory& m = memory();
    std::shared_lock<std::shared_mutex> guard(m.lock);
    auto found = holder(m, address);
    return found == m.live.end() ? Kind::none : found->second.kind;
}

void mark_work(uintptr_t address) {
    Memory& m = memory();
    std::shared_lock<std::shared_mutex> guard(m.lock);
    auto found = holder(m, address);
    if (found != m.live.end()) __atomic_store_n(&found->second.work, true, __ATOMIC_RELAXED);
}

bool has_work(uintptr_t address) {
    Memory& m = memory();
    std::shared_lock<std::shared_mutex> guard(m.lock);
    auto found = holder(m, address);
    return found != m.live.end() && __atomic_load_n(&found->second.work, __ATOMIC_RELAXED);
}

void* allocate(size_t bytes, Kind kind) {
    Block block{bytes, kind, nullptr, 0, bytes >= kMapped};
    char* first = nullptr;
    bool made = block.mapped ? map_block(bytes, block, first) : carve_block(bytes, block, first);
    if (!made) return nullptr;
    int byte = poison.load(std::memory_order_relaxed);
    if (fills && (byte != 0 || !block.mapped)) memset(first, byte, bytes);  // a new mapping is zeros
    Memory& m = memory();
    std::unique_lock<std::shared_mutex> guard(m.lock);
    m.live.emplace(reinterpret_cast<uintptr_t>(first), block);
    return first;
}

bool release(void* pointer) {
    Memory& m = memory();
    auto first = reinterpret_cast<uintptr_t>(pointer);
    std::unique_lock<std::shared_mutex> guard(m.lock);
    auto found = m.live.find(first);
    if (found == m.live.end() || found->second.base == nullptr) return false;
    Block block = found->second;
    m.live.erase(found);
    if (block.mapped) {
        // A new mapping in the same place takes the pages away and keeps the addresses from being given out again.
        mmap(block.base, block.whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        m.held_addresses += block.whole;
    } else {
        memset(pointer, poison.load(std::memory_order_relaxed), block.bytes);
        m.held_bytes += block.whole;
    }
    m.freed.push_back({first, block});
    while (m.freed.size() > kQuarantineBlocks || m.held_bytes > kQuarantineBytes ||
           m.held_addresses > kQuarantineAddresses) {
        const Block& oldest = m.freed.front().block;
        (oldest.mapped ? m.held_addresses : m.held_bytes) -= oldest.whole;
        give_back(oldest);
        m.freed.pop_front();
    }
    return true;
}

bool note_range(void* first, size_t bytes, Kind kind) {
    Memory& m = memory();
    std::unique_lock<std::shared_mutex> guard(m.lock);
    return m.live.emplace(reinterpret_cast<uintptr_t>(first), Block{bytes, kind, nullptr, 0, false}).second;
}

bool forget_range(void* first) {
    Memory& m = memory();
    std::unique_lock<std::shared_mutex> guard(m.lock);
    auto found = m.live.find(reinterpret_cast<uintptr_t>(first));
    if (found == m.live.end() || found->second.base != nullptr) return false;
    m.live.erase(found);
    return true;
}

void describe_address(uintptr_t address, char* text, size_t size) {
    Memory& m = memory();
    std::shared_lock<std::shared_mutex> guard(m.lock);
    if (auto found = holder(m, address); found != m.live.end()) {
        snprintf(text, size, "%zu bytes into an allocation of %zu bytes", size_t(address - found->first),
                 found->second.bytes);
        return;
    }
    for (auto freed = m.freed.rbegin(); freed != m.freed.rend(); ++freed) {
        if (address >= freed->first && address - freed->first < freed->block.bytes) {
            snprintf(text, size, "%zu bytes into an allocation of %zu bytes that was freed",
                     size_t(address - freed->first), freed->block.bytes);
            return;
        }
    }
    auto after = m.live.upper_bound(address);
    auto close = [](size_t distance, size_t bytes) { return distance <= std::max(kNear, bytes); };
    size_t beyond = SIZE_MAX, before = SIZE_MAX, beyond_bytes = 0, before_bytes = 0;
    if (after != m.live.begin()) {
        auto below = std::prev(after);
        beyond_bytes = below->second.bytes;
        beyond = address - (below->first + beyond_bytes);
    }
    if (after != m.live.end()) {
        before_bytes = after->second.bytes;
        before = after->first - address;
    }
    if (beyond <= before && close(beyond, beyond_bytes)) {
        snprintf(text, size, "%zu bytes past the end of an allocation of %zu bytes", beyond, beyond_bytes);
    } else if (before < beyond && close(before, before_bytes)) {
        snprintf(text, size, "%zu bytes before the start of an allocation of %zu bytes", before, before_bytes);
    } else if (address < page_bytes()) {
        snprintf(text, size, "a null pointer");
    } else if (is_mapped_memory(address)) {
        snprintf(text, size, "host memory that CUDA did not allocate");
    } else {
        snprintf(text, size, "no allocation");
    }
}

Capacity capacity() {
    Capacity found{0, size_t(sysconf(_SC_PHYS_PAGES)) * page_bytes()};
    found.free_bytes = size_t(sysconf(_SC_AVPHYS_PAGES)) * page_bytes();
    FILE* file = fopen("/proc/meminfo", "r");
    if (file == nullptr) return found;
    char line[128];
    while (fgets(line, sizeof line, file) != nullptr) {
        unsigned long long kilobytes;
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) found.free_bytes = size_t(kilobytes) << 10;
    }
    fclose(file);
    return found;
}

}  // namespace kval

void kval_poison(int byte) { kval::poison.store(byte & 0xFF, std::memory_order_relaxed); }

void kval_fill(int on) { kval::fills = on != 0; }

void kval_mark_work(uintptr_t address) { kval::mark_work(address); }
int kval_has_work(uintptr_t address) { return kval::has_work(address); }
