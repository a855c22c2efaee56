// What the shim asks of the runtime library, which alone is compiled against torch's own headers.
// Tensors cross as the address of their TensorImpl, everything else as plain C types.
#pragma once
#include <stddef.h>
#include <stdint.h>

extern "C" {
void* kval_undefined();
void kval_incref(void* impl);
void kval_decref(void* impl);
size_t kval_use_count(void* impl);

int64_t kval_dim(void* impl);
int64_t kval_numel(void* impl);
int64_t kval_size(void* impl, int64_t dim);
int64_t kval_stride(void* impl, int64_t dim);
const int64_t* kval_sizes(void* impl, size_t* length);
const int64_t* kval_strides(void* impl, size_t* length);
int64_t kval_storage_offset(void* impl);
size_t kval_itemsize(void* impl);
size_t kval_nbytes(void* impl);
uint16_t kval_dtype(void* impl);
void kval_device(void* impl, int8_t* type, int8_t* index);
int8_t kval_layout(void* impl);
int kval_is_contiguous(void* impl, int8_t memory_format);
int8_t kval_suggest_memory_format(void* impl, int exact);
int kval_is(void* impl, int property);
void* kval_data(void* impl);
void* kval_mutable_data(void* impl);
int kval_requires_grad(void* impl);
void kval_set_requires_grad(void* impl, int value);

void kval_scalar_to(const void* scalar, int8_t type, void* value);
size_t kval_dtype_size(uint16_t index);
uint16_t kval_default_dtype();
const char* kval_dtype_name(uint16_t index, size_t* length);
uint16_t kval_scalar_type_of_dtype(uint16_t index);
void kval_parse_device(const char* text, size_t length, int8_t* type, int8_t* index);

void* kval_guard_below_autograd();
void kval_guard_below_autograd_end(void* guard);
void* kval_make_variable(void* impl, int requires_grad);
void* kval_device_guard(int8_t type, int8_t index);
void kval_device_guard_end(void* guard);
int8_t kval_exchange_cuda_device(int8_t index);
void kval_set_cuda_device(int8_t index);

void* kval_text_new();
void kval_text_end(void* text);
const char* kval_text_chars(void* text);
size_t kval_text_length(void* text);
void kval_text_add(void* text, const char* chars, size_t length);
void kval_text_add_signed(void* text, long long value);
void kval_text_add_unsigned(void* text, unsigned long long value);
void kval_text_add_double(void* text, double value);
void kval_text_add_pointer(void* text, const void* value);
void kval_text_add_device(void* text, int8_t type, int8_t index);
void kval_text_add_device_type(void* text, int8_t type);
void kval_text_add_layout(void* text, int8_t layout);
void kval_text_add_memory_format(void* text, int8_t memory_format);
void kval_text_add_tensor(void* text, void* impl);

[[noreturn]] void kval_throw(int kind, const char* function, const char* file, uint32_t line, const char* message);
void kval_warn(const char* function, const char* file, uint32_t line, const char* message);
}
