"""Which parts of the shim a candidate's text can need.

A header costs a compiler's time only where it is included, and matters only where its names are used. So standard
headers, operators and bindings are offered by the words of the text: a word that is absent cannot be looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kval_harness.build.shim.operators import WORD, Operators

# Names of the standard library by header; torch's headers bring all of these with them.
STANDARD: Mapping[str, tuple[str, ...]] = {
    "algorithm": (
        "min", "max", "sort", "fill", "fill_n", "copy", "copy_n", "swap_ranges", "clamp", "reverse", "find", "find_if",
        "count", "count_if", "any_of", "all_of", "none_of", "transform", "unique", "lower_bound", "upper_bound",
        "min_element", "max_element", "minmax", "minmax_element", "stable_sort", "nth_element", "partial_sort",
        "for_each", "generate", "rotate", "shuffle", "equal", "remove", "remove_if", "replace", "binary_search",
    ),
    "numeric": ("accumulate", "iota", "inner_product", "partial_sum", "reduce", "gcd", "lcm"),
    "functional": ("function", "bind", "hash", "plus", "multiplies", "less", "greater", "reference_wrapper", "ref",
                   "invoke", "placeholders"),
    "limits": ("numeric_limits",),
    "memory": ("unique_ptr", "shared_ptr", "make_unique", "make_shared", "weak_ptr", "allocator", "addressof"),
    "stdexcept": ("runtime_error", "logic_error", "invalid_argument", "out_of_range", "length_error", "domain_error",
                  "range_error", "overflow_error", "underflow_error"),
    "string": ("string", "to_string", "stoi", "stol", "stof", "stod", "getline"),
    "string_view": ("string_view",),
    "sstream": ("stringstream", "ostringstream", "istringstream"),
    "iostream": ("cout", "cerr", "cin", "clog", "endl", "ostream", "istream", "flush"),
    "iomanip": ("setprecision", "setw", "setfill"),
    "map": ("map", "multimap"),
    "set": ("set", "multiset"),
    "unordered_map": ("unordered_map",),
    "unordered_set": ("unordered_set",),
    "deque": ("deque",),
    "list": ("list",),
    "mutex": ("mutex", "lock_guard", "unique_lock", "once_flag", "call_once", "scoped_lock"),
    "atomic": ("atomic", "memory_order_relaxed", "atomic_int"),
    "thread": ("thread", "this_thread"),
    "chrono": ("chrono",),
    "complex": ("complex",),
    "variant": ("variant", "visit", "monostate", "get_if", "holds_alternative"),
    "bitset": ("bitset",),
    "cstring": ("memcpy", "memset", "strcmp", "strlen", "strncpy", "memcmp", "memmove"),
    "cstdio": ("printf", "fprintf", "snprintf", "stderr", "stdout", "puts", "FILE"),
    "cstdlib": ("malloc", "free", "abort", "exit", "getenv", "atoi", "rand", "srand", "abs"),
    "cmath": ("cmath",),
    "cassert": ("assert",),
    "cfloat": ("FLT_MAX", "FLT_MIN", "FLT_EPSILON", "DBL_MAX", "DBL_MIN", "DBL_EPSILON"),
    "climits": ("INT_MAX", "INT_MIN", "UINT_MAX", "LONG_MAX", "LLONG_MAX"),
    "exception": ("exception", "exception_ptr", "current_exception", "terminate"),
    "typeinfo": ("typeid", "type_info"),
    "vector": ("vector",),
}  # fmt: skip
BINDING = re.compile(r"PYBIND11_MODULE|\bpy::|\bpybind11\b|wrap_pybind_function")

# Names that a flag of their own brings.
ON_REQUEST = re.compile(r"AT_DISPATCH|PYBIND11_|py$|pybind11$")


@dataclass(frozen=True)
class Demand:
    """The three generated files: `kval/demand.h`, `kval/methods.inc`, `kval/functions.inc`."""

    demand: str
    methods: str
    functions: str

    def files(self) -> dict[str, str]:
        return {"demand.h": self.demand, "methods.inc": self.methods, "functions.inc": self.functions}


def demand_of(text: str, operators: Operators, late: frozenset[str], *, binds: bool) -> Demand:
    """What `text` (one translation unit with all that it includes of the candidate's own) can need."""
    words = frozenset(WORD.findall(text))
    methods = operators.methods_text(words)
    functions = operators.functions_text(words)
    flags = []
    standard = [header for header, names in STANDARD.items() if not words.isdisjoint(names)]
    listed = {name for names in STANDARD.values() for name in names}
    # Some other name that the shim has at its fullest: all of it, as torch has.
    full = any(word not in listed and not ON_REQUEST.match(word) for word in words & late)
    if full:
        standard = list(STANDARD)
    generated = methods + functions
    if "vector" in standard or "::std::vector" in generated or "vec" in words:
        flags.append("KVAL_VECTOR")
    needs_text = any(name in standard for name in ("string", "stdexcept", "sstream", "iostream"))
    if needs_text or "string_view" in generated or re.search(r'"(?:cuda|cpu|meta)', text):
        flags.append("KVAL_STRING")
    if full or re.search(r"\w*accessor", text, re.IGNORECASE):
        flags.append("KVAL_ACCESSOR")
    if full or re.search(r"c10::Half|at::Half|torch::Half|BFloat16|_HALF|AT_DISPATCH", text):
        flags.append("KVAL_HALF")
    if full or "AT_DISPATCH" in text:
        flags.append("KVAL_DISPATCH")
    if binds:
        flags.append("KVAL_BIND")
    flags.append("KVAL_OPERATORS")
    return _demand(flags, standard, methods, functions)


def bindings_only(operators: Operators) -> Demand:
    """What a file that only declares and binds functions can need, for a header that is compiled once."""
    flags = ["KVAL_VECTOR", "KVAL_STRING", "KVAL_BIND", "KVAL_OPERATORS", "KVAL_ACCESSOR", "KVAL_HALF", "KVAL_DISPATCH"]
    methods, functions = operators.methods_text(frozenset()), operators.functions_text(frozenset())
    return _demand(flags, list(STANDARD), methods, functions)


def least(operators: Operators) -> Demand:
    """The shim for a text that names nothing of it."""
    return _demand([], [], operators.methods_text(frozenset()), operators.functions_text(frozenset()))


def _demand(flags: list[str], standard: list[str], methods: str, functions: str) -> Demand:
    lines = ["#pragma once", *(f"#define {flag}" for flag in flags)]
    lines += [f"#include <{header}>" for header in standard]
    return Demand("\n".join([*lines, ""]), methods, functions)
