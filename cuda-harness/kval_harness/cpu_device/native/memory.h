// Every allocation that CUDA knows: exact bounds for the kernels' checks, words for their complaints.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kval {

struct Range {
    uintptr_t first;
    size_t bytes;  // 0: no allocation holds the address
};

// Thread safe. Device memory, pinned and registered host memory, variables of modules.
Range find_range(uintptr_t address);

// "12 bytes past the end of an allocation of 4096 bytes", "no allocation", ...
void describe_address(uintptr_t address, char* text, size_t size);

enum class Kind { none, device, pinned, managed, registered, variable };

Kind kind_of(uintptr_t address);

// Whether a kernel of the candidate's has written to the allocation, or something that was made of such.
void mark_work(uintptr_t address);
bool has_work(uintptr_t address);

// Memory at a multiple of 256, filled with the poison byte; null where the machine has no room. `bytes` is not 0.
void* allocate(size_t bytes, Kind kind);

// False where `first` is not the start of a live allocation of ours.
bool release(void* first);

// Memory that somebody else owns. False where it was, or was not, noted before.
bool note_range(void* first, size_t bytes, Kind kind);
bool forget_range(void* first);

struct Capacity {
    size_t free_bytes, total_bytes;
};
Capacity capacity();

}  // namespace kval

// Fresh memory is filled with this byte from now on. 0xFF, a NaN in every floating type, where nobody says.
extern "C" void kval_poison(int byte);

extern "C" void kval_mark_work(uintptr_t address);
extern "C" int kval_has_work(uintptr_t address);

// Off: this thread's fresh memory is left as it is, for a caller that writes all of it at once.
extern "C" void kval_fill(int on);
