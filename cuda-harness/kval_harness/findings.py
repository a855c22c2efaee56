"""What in a candidate's text deserves a second look: warnings and features, never a verdict.

Python is read through its syntax tree, so words in comments and strings are not taken for code; names are followed
through imports. CUDA is read with comments and strings blanked, in bare files and in the strings that hold it. All of
it can be hidden from a reader, and all of it has honest uses: only what happens at run time rejects.

Reading hostile text can exhaust or crash a parser, so `find_patterns` belongs in a contained child.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kval_harness.contain import Json
from kval_harness.inspect import CUDA_TEXT

Kind = Literal[
    "stream",  # work where the usual clock does not look
    "graph",  # launches recorded once and replayed, perhaps on old pointers
    "thread",  # work that may end after the answer
    "fallback",  # an except that goes on without the kernel
    "patched-clock",  # a clock, a wait or a comparison given another meaning
    "introspection",  # looking into frames, the heap, other memory
    "lazy-tensor",  # a tensor that may put work off
    "torch-compute",  # torch does the work in ModelNew
    "library",  # cuBLAS, cuDNN or ATen does the work in the CUDA source
    "precision",  # fewer bits than were asked for
    "cache-policy",  # data kept in the L2 cache
]

LINE_CHARACTERS = 200
MOST = 200

COMPUTE = re.compile(
    r"(?:bmm|mm|mv|matmul|addmm|baddbmm|einsum|linear|bilinear|outer|tensordot|conv(?:_transpose)?[123]d|"
    r"(?:log_)?softmax|relu6?|leaky_relu|gelu|silu|elu|selu|celu|mish|sigmoid|hardsigmoid|hardtanh|hardswish|tanh|"
    r"softplus|softsign|logsumexp|(?:layer|group|batch|instance|rms)_norm|normalize|norm|"
    r"(?:adaptive_)?(?:max|avg)_pool[123]d|cumsum|cumprod|cumulative_sum|sum|mean|var|std|prod|amax|amin|argmax|"
    r"argmin|sort|topk|scaled_dot_product_attention|embedding|dropout|interpolate|\w+_loss|cross_entropy|kl_div|"
    r"cosine_similarity)"
)
MODULES_THAT_HOLD_ONLY_DATA = ("Parameter", "ParameterList", "ParameterDict", "Module", "ModuleList", "Identity")
CLOCKS = re.compile(
    r"torch\.cuda\.(?:Event(?:\.\w+)?|synchronize|current_stream|Stream(?:\.\w+)?)|torch\._C\.\w+|"
    r"torch\.(?:allclose|isclose|equal|testing\.\w+)|torch\.utils\.benchmark\.\w+|time\.\w+|sys\.modules"
)
CALLS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("stream", re.compile(r"torch\.cuda\.(?:Stream|ExternalStream|stream|set_stream)")),
    ("graph", re.compile(r"torch\.cuda\.(?:CUDAGraph|graph|make_graphed_callables)")),
    ("thread", re.compile(r"(?:threading|multiprocessing|concurrent\.futures|asyncio|torch\.jit)\.\w*|os\.fork")),
    (
        "introspection",
        re.compile(
            r"sys\._getframe|inspect\.(?:stack|currentframe|getouterframes)|gc\.get_\w+|ctypes\.\w+(?:\.\w+)*|"
            r"sys\.(?:settrace|setprofile)|atexit\.register|os\.(?:_exit|write|dup2)"
        ),
    ),
    ("lazy-tensor", re.compile(r"torch\.Tensor\._make_(?:wrapper_)?subclass")),
    ("precision", re.compile(r"torch\.set_float32_matmul_precision|torch\.(?:cuda\.amp\.)?autocast")),
)
NARROW = re.compile(r"torch\.(?:float16|half|bfloat16|float8_\w+)")
IN_CUDA: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("stream", re.compile(r"\bcudaStreamCreate\w*|\bgetStreamFromPool\b|\bCUDAStreamGuard\b|\bcudaStreamPerThread\b")),
    ("graph", re.compile(r"\bcudaGraphLaunch\b|\bcudaStreamBeginCapture\b")),
    ("thread", re.compile(r"\bstd::(?:j?thread|async)\b|\bpthread_create\b|\bv?fork\s*\(|\bcudaLaunchHostFunc\b")),
    (
        "introspection",
        re.compile(
            r"\bdlsym\b|\bptrace\b|\bprocess_vm_\w+|\bmprotect\b|\bprctl\b|\bPy(?:Run_\w+|Eval_\w+|Frame_\w+)\b"
        ),
    ),
    (
        "library",
        re.compile(
            rf"\bcublas\w*(?:Gemm|gemm|gemv|Matmul)\w*|\bcudnn\w+(?:Forward|Backward)\b|\b(?:at|torch)::{COMPUTE.pattern}\s*\("
        ),
    ),
    (
        "precision",
        re.compile(
            r"\b__half2?\b|\b__nv_bfloat162?\b|\b__float2half\w*|\b__float2bfloat16\w*|\bat::Half\b|\bc10::(?:B?F?)Half\b|"
            r"\bwmma::|\bCUBLAS_(?:TF32|COMPUTE_32F_FAST)\w*|\bprecision::tf32\b"
        ),
    ),
    (
        "cache-policy",
        re.compile(r"\bcudaAccessPolicyWindow\b|\bcudaLimitPersistingL2CacheSize\b|\bcudaStreamAttrValue\b"),
    ),
)
# Comments and literals of C++, raw strings too; what they hold is no code.
NO_CODE = re.compile(
    r'//[^\n]*|/\*.*?(?:\*/|\Z)|R"(?P<mark>[^()\\\s]{0,16})\(.*?(?:\)(?P=mark)"|\Z)|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


@dataclass(frozen=True)
class Finding:
    """`line` counts from 1 in the candidate's text; `text` is that line, stripped."""

    kind: Kind
    line: int
    text: str

    def to_json(self) -> dict[str, Json]:
        return {"kind": self.kind, "line": self.line, "text": self.text}


def find_patterns(source: str, language: Literal["python", "cuda"] = "python") -> tuple[Finding, ...]:
    """What is found, in the order of the lines, each kind once a line; nothing for a text that does not parse."""
    lines = source.splitlines()
    found = {(line, kind) for kind, line in (_in_python(source) if language == "python" else _in_cuda(source, 1))}
    texts = {line: lines[line - 1].strip()[:LINE_CHARACTERS] if 0 < line <= len(lines) else "" for line, _ in found}
    return tuple(Finding(kind, line, texts[line]) for line, kind in sorted(found))[:MOST]


def mask(text: str) -> str:
    """C++ with comments and literals blanked, line for line."""
    return NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def _in_cuda(text: str, first_line: int) -> Iterator[tuple[Kind, int]]:
    masked = mask(text)
    for kind, sign in IN_CUDA:
        for found in sign.finditer(masked):
            yield kind, first_line + masked.count("\n", 0, found.start())


def _in_python(source: str) -> Iterator[tuple[Kind, int]]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    names = _imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if CUDA_TEXT.search(node.value):
                yield from _in_cuda(node.value, node.lineno)
            elif re.fullmatch(r"-{1,2}use_fast_math", node.value):
                yield "precision", node.lineno
        elif isinstance(node, ast.Try) and any(_goes_on(handler) for handler in node.handlers):
            yield "fallback", node.lineno
        elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            yield from _assigned(node, names)
        elif isinstance(node, ast.Call):
            yield from _called(node, names)
        elif isinstance(node, ast.Attribute) and NARROW.fullmatch(_dotted(node, names)):
            yield "precision", node.lineno
        elif isinstance(node, ast.ClassDef):
            if any(_dotted(base, names) in ("torch.Tensor", "torch.nn.Parameter") for base in node.bases):
                yield "lazy-tensor", node.lineno
            if node.name == "ModelNew":
                yield from _computed(node, names, _module_names(tree))


def _imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `F` for `torch.nn.functional`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _module_names(tree: ast.Module) -> set[str]:
    """What the module itself defines: an extension, a function of its own; no tensor that `forward` works on."""
    return {
        node.id
        for statement in tree.body
        if not isinstance(statement, (ast.ClassDef, ast.FunctionDef))
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """`tc.Event.record` as `torch.cuda.Event.record`; empty for what is no chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _goes_on(handler: ast.ExceptHandler) -> bool:
    return not any(isinstance(node, ast.Raise) for one in handler.body for node in ast.walk(one))


def _assigned(node: ast.Assign | ast.AugAssign | ast.AnnAssign, names: dict[str, str]) -> Iterator[tuple[Kind, int]]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        whole = _dotted(target.value if isinstance(target, ast.Subscript) else target, names)
        if isinstance(target, ast.Name):
            continue  # a name of the candidate's own, whatever it was imported as
        if CLOCKS.fullmatch(whole):
            yield "patched-clock", node.lineno
        elif whole.endswith(".allow_tf32") or whole.endswith(".allow_fp16_reduced_precision_reduction"):
            yield "precision", node.lineno


def _called(node: ast.Call, names: dict[str, str]) -> Iterator[tuple[Kind, int]]:
    called = _dotted(node.func, names)
    for kind, sign in CALLS:
        if sign.fullmatch(called):
            yield kind, node.lineno
    if called in ("setattr", "builtins.setattr") and len(node.args) == 3:
        attribute = node.args[1]
        known = isinstance(attribute, ast.Constant) and isinstance(attribute.value, str)
        whole = f"{_dotted(node.args[0], names)}.{ast.literal_eval(attribute) if known else ''}"
        if CLOCKS.match(whole) or whole.startswith(("torch.cuda.", "time.")):
            yield "patched-clock", node.lineno
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("half", "bfloat16") and not node.args:
        yield "precision", node.lineno


def _computed(model: ast.ClassDef, names: dict[str, str], own: set[str]) -> Iterator[tuple[Kind, int]]:
    """Where torch computes in `ModelNew`: its functions, methods of tensors, layers that are called, `@`."""
    layers = {
        target.attr
        for node in ast.walk(model)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Attribute) and _is_layer(_dotted(node.value.func, names))
    }
    for method in model.body:
        if not isinstance(method, ast.FunctionDef) or method.name == "__init__":
            continue
        for node in ast.walk(method):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                yield "torch-compute", node.lineno
            if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
                continue
            called = _dotted(node.func, names)
            last = called.rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
            from_torch = called.startswith("torch.")
            on_a_tensor = isinstance(node.func, ast.Attribute) and _root(node.func) not in {*names, *own, "self"}
            computes = (from_torch or on_a_tensor) and COMPUTE.fullmatch(last) is not None
            if computes or (last in layers and called == f"self.{last}"):
                yield "torch-compute", node.lineno


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_layer(name: str) -> bool:
    return name.startswith("torch.nn.") and name.rpartition(".")[2] not in MODULES_THAT_HOLD_ONLY_DATA
