#include "symbols.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include <cxxabi.h>

#include "engine.h"
#include "errors.h"
#include "memory.h"

namespace kval {
namespace {

constexpr size_t kStaticShared = 48 << 10;
constexpr size_t kOptInShared = 227 << 10;
constexpr size_t kSharedOfMultiprocessor = 228 << 10;
constexpr size_t kReservedShared = 1 << 10;
constexpr int kRegisters = 65536;
constexpr int kThreadsOfMultiprocessor = 2048;
constexpr int kBlocksOfMultiprocessor = 32;
constexpr int kMultiprocessors = 132;
constexpr int kUnknownRegisters = 32;

std::atomic<bool> skip_launches{false};

// nvcc's wrapper around a fatbin, the fatbin's header, and the header of each thing in it.
struct Wrapper {
    uint32_t magic, version;
    const unsigned char* fatbin;
    const void* linked;
};
struct FatHeader {
    uint32_t magic;
    uint16_t version, header_bytes;
    uint64_t bytes;
};
struct Entry {
    uint16_t kind, version;
    uint32_t header_bytes;
    uint64_t bytes;
    uint32_t compressed_bytes, options_offset;
    uint16_t minor, major;
    uint32_t arch, name_offset, name_bytes;
    uint64_t flags;
};
constexpr uint32_t kWrapperMagic = 0x466243b1, kFatMagic = 0xba55ed50;
constexpr uint16_t kPtx = 1;
constexpr uint64_t kCompressed = 0x2000 | 0x8000;

uint64_t fnv1a(const unsigned char* text, size_t bytes) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < bytes; ++i) hash = (hash ^ text[i]) * 0x100000001b3;
    return hash;
}

std::vector<uint64_t> ptx_hashes(const Wrapper* wrapper) {
    std::vector<uint64_t> found;
    if (wrapper->magic != kWrapperMagic || wrapper->fatbin == nullptr) return found;
    FatHeader header;
    memcpy(&header, wrapper->fatbin, sizeof header);
    if (header.magic != kFatMagic) return found;
    const unsigned char* at = wrapper->fatbin + header.header_bytes;
    const unsigned char* end = at + header.bytes;
    while (at + sizeof(Entry) <= end) {
        Entry entry;
        memcpy(&entry, at, sizeof entry);
        const unsigned char* payload = at + entry.header_bytes;
        if (entry.header_bytes < sizeof entry || entry.bytes > uint64_t(end - payload)) break;
        if (entry.kind == kPtx && (entry.flags & kCompressed) == 0) {
            size_t bytes = entry.bytes;
            while (bytes > 0 && payload[bytes - 1] == 0) --bytes;
            found.push_back(fnv1a(payload, bytes));
        }
        at = payload + entry.bytes;
    }
    return found;
}

struct Module {
    const Wrapper* wrapper;
    std::once_flag hashed;
    std::vector<uint64_t> hashes;
    std::vector<const void*> functions, variables;
    std::vector<std::pair<void**, const char*>> managed;
};

const std::vector<uint64_t>& hashes_of(Module& module) {
    std::call_once(module.hashed, [&] { module.hashes = ptx_hashes(module.wrapper); });
    return module.hashes;
}

struct HostVariable {
    Module* module;
    const char* name;
};

}  // namespace

struct Function {
    Module* module;
    const char* name;
    std::atomic<const Kernel*> kernel{nullptr};
    std::atomic<size_t> allowed_shared{0};
};

namespace {

// Never destroyed: libraries take themselves back while the process ends.
struct Registry {
    std::shared_mutex lock;
    std::unordered_map<const void*, Function*> functions;
    std::unordered_map<const void*, HostVariable> variables;
};

Registry& registry() {
    static Registry* one = new Registry;
    return *one;
}

const Kernel* kernel_of(Function* function) {
    const Kernel* known = function->kernel.load(std::memory_order_acquire);
    if (known != nullptr) return known;
    for (uint64_t hash : hashes_of(*function->module)) {
        if (const Kernel* found = find_kernel(hash, function->name); found != nullptr) {
            function->kernel.store(found, std::memory_order_release);
            return found;
        }
    }
    return nullptr;
}

Variable variable_of(Module* module, const char* name) {
    for (uint64_t hash : hashes_of(*module)) {
        size_t bytes = 0;
        if (void* address = find_variable(hash, name, &bytes); address != nullptr) {
            note_range(address, bytes, Kind::variable);
            return {address, bytes, cudaSuccess};
        }
    }
    note_unsupported((std::string("the device variable ") + name + " of code that is not translated").c_str());
    return {nullptr, 0, cudaErrorInvalidSymbol};
}

std::string readable(const char* mangled) {
    int status = 0;
    char* text = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    std::string found = status == 0 && text != nullptr ? text : mangled;
    free(text);
    return found;
}

int registers_of(const KernelFacts& known) { return known.registers > 0 ? known.registers : kUnknownRegisters; }

int threads_by_registers(const KernelFacts& known) {
    // A warp's registers are given out 256 at a time.
    int of_warp = (registers_of(known) * 32 + 255) / 256 * 256;
    return kRegisters / of_warp * 32;
}

int most_threads(const KernelFacts& known) {
    int bound = known.max_threads > 0 ? known.max_threads : 1024;
    return std::min({bound, 1024, threads_by_registers(known)});
}

size_t shared_limit(const Function* function, const KernelFacts& known) {
    size_t usual = kStaticShared > known.static_shared_bytes ? kStaticShared - known.static_shared_bytes : 0;
    return std::max(usual, function->allowed_shared.load(std::memory_order_relaxed));
}

int blocks_of(const KernelFacts& known, int threads, size_t dynamic_shared) {
    if (threads <= 0 || threads > most_threads(known)) return 0;
    int warps = (threads + 31) / 32;
    int blocks = std::min(kBlocksOfMultiprocessor, kThreadsOfMultiprocessor / (warps * 32));
    blocks = std::min(blocks, threads_by_registers(known) / 32 / warps);
    size_t shared = known.static_shared_bytes + dynamic_shared + kReservedShared;
    return std::min(blocks, int(kSharedOfMultiprocessor / shared));
}

cudaError_t check(const Function* function, const KernelFacts& known, dim3 grid, dim3 block, size_t dynamic_shared,
                  bool cooperative) {
    uint64_t threads = uint64_t(block.x) * block.y * block.z;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) return cudaErrorInvalidConfiguration;
    if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return cudaErrorInvalidConfiguration;
    if (block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024) return cudaErrorInvalidConfiguration;
    if (dynamic_shared > shared_limit(function, known)) return cudaErrorInvalidValue;
    if (known.static_shared_bytes + dynamic_shared > kOptInShared) return cudaErrorInvalidValue;
    if (threads > uint64_t(most_threads(known))) return cudaErrorLaunchOutOfResources;
    uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
    if (cooperative && blocks > uint64_t(blocks_of(known, int(threads), dynamic_shared)) * kMultiprocessors) {
        return cudaErrorCooperativeLaunchTooLarge;
    }
    return cudaSuccess;
}

}  // namespace

Function* find_function(const void* host_function) {
    Registry& r = registry();
    std::shared_lock<std::shared_mutex> guard(r.lock);
    auto found = r.functions.find(host_function);
    return found == r.functions.end() ? nullptr : found->second;
}

Function* handle_of(const void* host_function) {
    Registry& r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    auto found = r.functions.find(host_function);
    if (found == r.functions.end()) return nullptr;
    Function* function = found->second;
    r.functions[function] = function;
    return function;
}

const char* name_of(const Function* function) { return function == nullptr ? nullptr : function->name; }

Variable find_symbol(const void* host_variable) {
    Registry& r = registry();
    HostVariable known{nullptr, nullptr};
    {
        std::shared_lock<std::shared_mutex> guard(r.lock);
        auto found = r.variables.find(host_variable);
        if (found != r.variables.end()) known = found->second;
    }
    if (known.module == nullptr) return {nullptr, 0, cudaErrorInvalidSymbol};
    return variable_of(known.module, known.name);
}

cudaError_t run(Function* function, dim3 grid, dim3 block, void** args, size_t dynamic_shared, bool cooperative) {
    if (standing() != cudaSuccess) return standing();
    if (function == nullptr) return done(cudaErrorInvalidDeviceFunction);
    const Kernel* kernel = kernel_of(function);
    if (kernel == nullptr) return refuse(("torch's own CUDA kernel " + readable(function->name)).c_str());
    if (skip_launches.load(std::memory_order_relaxed)) return cudaSuccess;
    cudaError_t wrong = check(function, facts(*kernel), grid, block, dynamic_shared, cooperative);
    if (wrong != cudaSuccess) return done(wrong);
    int result = launch(*kernel, Dim{grid.x, grid.y, grid.z}, Dim{block.x, block.y, block.z}, args, dynamic_shared,
                        cooperative);
    return ended(cudaError_t(result));
}

cudaError_t describe(Function* function, cudaFuncAttributes& found) {
    if (function == nullptr) return done(cudaErrorInvalidDeviceFunction);
    const Kernel* kernel = kernel_of(function);
    KernelFacts known = kernel == nullptr ? KernelFacts{0, 0, 1024, 0} : facts(*kernel);
    memset(&found, 0, sizeof found);
    found.sharedSizeBytes = known.static_shared_bytes;
    found.localSizeBytes = known.local_bytes;
    found.maxThreadsPerBlock = most_threads(known);
    found.numRegs = registers_of(known);
    found.ptxVersion = found.binaryVersion = 90;
    found.maxDynamicSharedSizeBytes = int(shared_limit(function, known));
    found.preferredShmemCarveout = -1;
    return done();
}

cudaError_t set_attribute(Function* function, cudaFuncAttribute which, int value) {
    if (function == nullptr) return done(cudaErrorInvalidDeviceFunction);
    if (which != cudaFuncAttributeMaxDynamicSharedMemorySize) return done();
    const Kernel* kernel = kernel_of(function);
    size_t fixed = kernel == nullptr ? 0 : facts(*kernel).static_shared_bytes;
    if (value < 0 || fixed + size_t(value) > kOptInShared) return done(cudaErrorInvalidValue);
    function->allowed_shared.store(size_t(value), std::memory_order_relaxed);
    if (kernel != nullptr) allow_dynamic_shared(*kernel, size_t(value));
    return done();
}

cudaError_t occupancy(Function* function, int block_threads, size_t dynamic_shared, int& blocks) {
    if (function == nullptr) return done(cudaErrorInvalidDeviceFunction);
    if (block_threads <= 0) return done(cudaErrorInvalidValue);
    const Kernel* kernel = kernel_of(function);
    blocks = blocks_of(kernel == nullptr ? KernelFacts{0, 0, 1024, 0} : facts(*kernel), block_threads, dynamic_shared);
    return done();
}

}  // namespace kval

using namespace kval;

extern "C" {

// While on, kernels of translated modules are not run: their launches succeed and do nothing.
void kval_skip_launches(int on) { skip_launches.store(on != 0, std::memory_order_relaxed); }

void** __cudaRegisterFatBinary(void* wrapper) {
    auto* module = new Module;
    module->wrapper = static_cast<const Wrapper*>(wrapper);
    return reinterpret_cast<void**>(module);
}

void __cudaRegisterFatBinaryEnd(void**) {}

void __cudaUnregisterFatBinary(void** handle) {
    auto* module = reinterpret_cast<Module*>(handle);
    if (module == nullptr) return;
    Registry& r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    for (const void* host : module->functions) r.functions.erase(host);
    for (const void* host : module->variables) r.variables.erase(host);
    // The module itself stays: a kernel's handle may outlive its library.
}

void __cudaRegisterFunction(void** handle, const char* host, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*,
                            int*) {
    auto* module = reinterpret_cast<Module*>(handle);
    Registry& r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    auto* function = new Function{module, name};
    r.functions[host] = function;
    module->functions.push_back(host);
}

void __cudaRegisterVar(void** handle, char* host, char*, const char* name, int, size_t, int, int) {
    auto* module = reinterpret_cast<Module*>(handle);
    Registry& r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    r.variables[host] = {module, name};
    module->variables.push_back(host);
}

void __cudaRegisterManagedVar(void** handle, void** host, char*, const char* name, int, size_t, int, int) {
    auto* module = reinterpret_cast<Module*>(handle);
    Registry& r = registry();
    std::unique_lock<std::shared_mutex> guard(r.lock);
    r.variables[host] = {module, name};
    module->variables.push_back(host);
    module->managed.emplace_back(host, name);
}

// Called before the host first reads a __managed__ variable: its pointer is set now.
char __cudaInitModule(void** handle) {
    auto* module = reinterpret_cast<Module*>(handle);
    for (auto& [host, name] : module->managed) *host = variable_of(module, name).address;
    return 1;
}

}  // extern "C"
