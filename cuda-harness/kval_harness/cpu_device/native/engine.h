// Runs translated kernels. Launch, faults and the report are the engine's; memory and the CUDA API call it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kval {

struct Dim {
    unsigned x, y, z;
};

struct Kernel;  // a translated kernel

// Null where no loaded module has it. `module` is the FNV-1a 64 hash of the PTX text without trailing NULs.
const Kernel* find_kernel(uint64_t module, const char* mangled_name);

// A .global or .const variable; null where it is unknown.
void* find_variable(uint64_t module, const char* name, size_t* bytes);

// Runs the whole grid before it returns. args: one pointer per kernel parameter. Returns a cudaError_t as int.
int launch(const Kernel& kernel, Dim grid, Dim block, void** args, size_t dynamic_shared_bytes, bool cooperative);

struct KernelFacts {
    size_t static_shared_bytes, local_bytes;
    int max_threads;
    int registers;
};
KernelFacts facts(const Kernel& kernel);

// cudaFuncSetAttribute(MaxDynamicSharedMemorySize)
void allow_dynamic_shared(const Kernel& kernel, size_t bytes);

// The first fault and the first unsupported construct are kept as text (empty: none); lints may be many.
void note_fault(const char* text);
void note_unsupported(const char* text);
void note_lint(const char* text);
const char* fault();
const char* unsupported();

}  // namespace kval

extern "C" int kval_load_module(const char* path);  // dlopens a translated module; 0 on success
// order: 0 forward, 1 reverse, 2 random
extern "C" void kval_settings(int order, uint64_t seed, int threads, int lenient_masks, int races);
// {"launches":[{"name":mangled,"count":n}],"fault":str|null,"unsupported":str|null,"lints":[str]}
extern "C" const char* kval_report();
extern "C" void kval_reset_report();
