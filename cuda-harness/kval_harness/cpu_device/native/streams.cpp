// The CUDA runtime's streams and events. All work is done when a call returns: a stream is a name, an event a time.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "errors.h"

using namespace kval;

namespace {

struct Stream {
    unsigned flags;
    int priority;
    unsigned long long id;
};

struct Event {
    std::atomic<long long> nanoseconds;  // 0: never recorded
    unsigned flags;
};

long long now() {
    auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

bool is_named(cudaStream_t stream) {
    return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

Stream* stream_of(cudaStream_t stream) { return is_named(stream) ? nullptr : reinterpret_cast<Stream*>(stream); }

Event* event_of(cudaEvent_t event) { return reinterpret_cast<Event*>(event); }

cudaError_t make_stream(cudaStream_t* stream, unsigned flags, int priority) {
    static std::atomic<unsigned long long> count{16};
    if (stream == nullptr) return done(cudaErrorInvalidValue);
    *stream = reinterpret_cast<cudaStream_t>(new Stream{flags, std::clamp(priority, -5, 0), count++});
    return done();
}

cudaError_t make_event(cudaEvent_t* event, unsigned flags) {
    if (event == nullptr) return done(cudaErrorInvalidValue);
    *event = reinterpret_cast<cudaEvent_t>(new Event{{0}, flags});
    return done();
}

cudaError_t record(cudaEvent_t event) {
    if (event == nullptr) return done(cudaErrorInvalidResourceHandle);
    event_of(event)->nanoseconds = now();
    return done();
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return make_stream(stream, cudaStreamDefault, 0); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) { return make_stream(stream, flags, 0); }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
    return make_stream(stream, flags, priority);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    if (is_named(stream)) return done(cudaErrorInvalidResourceHandle);
    delete stream_of(stream);
    return done();
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return done(); }
cudaError_t cudaStreamQuery(cudaStream_t) { return done(); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return done(); }
cudaError_t cudaStreamAttachMemAsync(cudaStream_t, void*, size_t, unsigned) { return done(); }

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
    *priority = is_named(stream) ? 0 : stream_of(stream)->priority;
    return done();
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
    *flags = is_named(stream) ? 0 : stream_of(stream)->flags;
    return done();
}

cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
    *id = is_named(stream) ? reinterpret_cast<uintptr_t>(stream) : stream_of(stream)->id;
    return done();
}

cudaError_t cudaStreamGetDevice(cudaStream_t, int* device) { return cudaGetDevice(device); }
cudaError_t cudaStreamCopyAttributes(cudaStream_t, cudaStream_t) { return done(); }
cudaError_t cudaStreamSetAttribute(cudaStream_t, cudaStreamAttrID, const cudaStreamAttrValue*) { return done(); }

cudaError_t cudaStreamGetAttribute(cudaStream_t, cudaStreamAttrID, cudaStreamAttrValue* value) {
    memset(value, 0, sizeof *value);
    return done();
}

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
    *status = cudaStreamCaptureStatusNone;
    return done();
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t, cudaStreamCaptureStatus* status, unsigned long long* id,
                                     cudaGraph_t* graph, const cudaGraphNode_t** nodes, const cudaGraphEdgeData** edges,
                                     size_t* count) {
    *status = cudaStreamCaptureStatusNone;
    if (id != nullptr) *id = 0;
    if (graph != nullptr) *graph = nullptr;
    if (nodes != nullptr) *nodes = nullptr;
    if (edges != nullptr) *edges = nullptr;
    if (count != nullptr) *count = 0;
    return done();
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) { return done(); }

cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void* data) {
    if (standing() == cudaSuccess) function(data);
    return done();
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned) {
    callback(stream, standing(), data);
    return done();
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return make_event(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) { return make_event(event, flags); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    if (event == nullptr) return done(cudaErrorInvalidResourceHandle);
    delete event_of(event);
    return done();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) { return record(event); }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t, unsigned) { return record(event); }

cudaError_t cudaEventQuery(cudaEvent_t event) {
    return done(event == nullptr ? cudaErrorInvalidResourceHandle : cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) { return cudaEventQuery(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    if (start == nullptr || end == nullptr) return done(cudaErrorInvalidResourceHandle);
    bool timed = ((event_of(start)->flags | event_of(end)->flags) & cudaEventDisableTiming) == 0;
    long long from = event_of(start)->nanoseconds, to = event_of(end)->nanoseconds;
    if (!timed || from == 0 || to == 0) return done(cudaErrorInvalidResourceHandle);
    *milliseconds = float(double(to - from) * 1e-6);
    return done();
}

}  // extern "C"
