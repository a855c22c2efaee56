"""A KernelBench problem: `Model`, `get_inputs`, `get_init_inputs`, and optionally `SMALL`.

A problem may offer a small size for machines without a GPU: a module-level dict `SMALL` whose entries replace module
globals of the same names before `get_inputs` and `get_init_inputs` are called.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import linecache
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kval_harness.contain import Json
from kval_harness.outcome import InstrumentError

if TYPE_CHECKING:
    import torch

_serial = itertools.count()


@dataclass(frozen=True)
class Problem:
    """A loaded problem. Calling anything in it runs its code, which belongs in a contained child."""

    module: types.ModuleType
    has_small: bool

    def init_inputs(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of `Model(...)`: KernelBench's list, or KernelGYM's `[[...], {...}]`."""
        return split_init(self.module.get_init_inputs())

    def inputs(self) -> list[Any]:
        return list(self.module.get_inputs())

    def model(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.nn.Module:
        return self.module.Model(*args, **kwargs)


def load_problem(source: str, *, small: bool = False) -> Problem:
    """Runs a problem's module text. Raises InstrumentError `problem-broken` with what is missing or failed."""
    module = load_module(source, "problem")
    for name in ("Model", "get_inputs", "get_init_inputs"):
        if not callable(getattr(module, name, None)):
            raise broken(f"the problem does not define {name}")
    sizes = getattr(module, "SMALL", None)
    if small and sizes is None:
        raise broken("the problem offers no small size: it has no SMALL")
    if sizes is not None:
        small_sizes = _checked_small(module, sizes)
        if small:
            vars(module).update(small_sizes)
    return Problem(module, has_small=sizes is not None)


def load_module(source: str, kind: str) -> types.ModuleType:
    """Executes `source` as a module of its own, with lines that tracebacks and inspect can show."""
    name = f"kval_{kind}_{next(_serial)}"
    file = f"<{kind}>"
    module = types.ModuleType(name)
    module.__file__ = file
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[name] = module
    try:
        exec(compile(source, file, "exec"), vars(module))
    except ModuleNotFoundError as error:
        raise broken(f"the {kind} needs the Python package {error.name!r}; install it beside torch") from error
    except Exception as error:
        if _is_out_of_reach(error):
            raise broken(f"the {kind} needs files of a model hub that cannot be reached from here") from error
        raise broken(f"the {kind} cannot be run: {type(error).__name__}: {error}") from error
    return module


def _is_out_of_reach(error: BaseException | None) -> bool:
    """Whether a hub's client says that it has a file neither here nor there (it may not be installed at all)."""
    while error is not None:
        if type(error).__module__.startswith("huggingface_hub") and isinstance(error, OSError):
            return True
        error = error.__cause__ or error.__context__
    return False


@dataclass(frozen=True)
class Shapes:
    """What a problem's inputs look like; None with the reason in `unknown` where that cannot be told cheaply."""

    inputs: list[Json] | None
    init: list[Json] | None
    unknown: str | None

    def to_json(self) -> dict[str, Json]:
        return {"inputs": self.inputs, "init": self.init, "unknown": self.unknown}

    def hash(self) -> str | None:
        """SHA-256 of the canonical description (sorted keys, no spaces), so that sizes of a problem never mix."""
        if self.inputs is None or self.init is None:
            return None
        canonical = json.dumps({"init": self.init, "inputs": self.inputs}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def describe_shapes(problem: Problem) -> Shapes:
    """Shapes and dtypes of the inputs without allocating them: the problem's own functions run on meta tensors.

    A problem that computes on its inputs' values cannot be described so; the reason is in `unknown`.
    """
    inputs, why_not = _described(lambda: [describe(value) for value in problem.inputs()], "get_inputs")
    init, why_no_init = _described(lambda: _describe_init(problem.module.get_init_inputs()), "get_init_inputs")
    return Shapes(inputs, init, why_not or why_no_init)


def problem_report(source: str) -> dict[str, Json]:
    """The result of the `problem` request; where what the problem needs is not to be had here, one without shapes."""
    try:
        full = load_problem(source)
    except InstrumentError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError) and not _is_out_of_reach(error.__cause__):
            raise
        unknown = Shapes(None, None, error.message).to_json()
        return {
            "hasSmall": False,
            "shapes": unknown,
            "smallShapes": None,
            "shapeHash": None,
            "smallShapeHash": None,
        }
    shapes = describe_shapes(full)
    small = describe_shapes(load_problem(source, small=True)) if full.has_small else None
    return {
        "hasSmall": full.has_small,
        "shapes": shapes.to_json(),
        "smallShapes": small.to_json() if small else None,
        "shapeHash": shapes.hash(),
        "smallShapeHash": small.hash() if small else None,
    }


def describe(value: object) -> Json:
    """A tensor as `{shape, dtype}`; anything else as `{shape: null, dtype: its Python type, value: JSON or repr}`."""
    import torch

    if isinstance(value, torch.Tensor):
        return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
    return {"shape": None, "dtype": type(value).__name__, "value": _plain(value)}


def split_init(raw: object) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(raw, dict):
        return [], raw
    if not isinstance(raw, (list, tuple)):
        raise broken(f"get_init_inputs returned a {type(raw).__name__}, not a list")
    values = list(raw)
    if len(values) == 2 and isinstance(values[0], (list, tuple)) and isinstance(values[1], dict):
        return list(values[0]), values[1]
    return values, {}


def broken(message: str) -> InstrumentError:
    return InstrumentError("problem-broken", message, retry=False)


def _checked_small(module: types.ModuleType, sizes: object) -> dict[str, object]:
    if not isinstance(sizes, dict) or not sizes:
        raise broken("SMALL is not a dict of module constants")
    strange = [str(name) for name in sizes if not (isinstance(name, str) and hasattr(module, name))]
    if strange:
        raise broken(f"SMALL names what the module does not define: {', '.join(strange)}")
    return sizes


def _described(read: Callable[[], list[Json]], what: str) -> tuple[list[Json] | None, str | None]:
    import torch

    try:
        with torch.device("meta"):
            return read(), None
    except Exception as error:  # the problem's own code, on tensors without values
        return None, f"{what} needs real values: {type(error).__name__}: {error}"[:500]


def _describe_init(raw: object) -> list[Json]:
    args, kwargs = split_init(raw)
    plain: list[Json] = [_plain_or_shape(value) for value in args]
    return [*plain, {name: _plain_or_shape(value) for name, value in kwargs.items()}] if kwargs else plain


def _plain_or_shape(value: object) -> Json:
    import torch

    return describe(value) if isinstance(value, torch.Tensor) else _plain(value)


def _plain(value: object) -> Json:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else repr(value)
    if isinstance(value, (list, tuple)):
        return [_plain_or_shape(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain_or_shape(one) for key, one in value.items()}
    return repr(value)[:200]
