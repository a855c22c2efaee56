"""How fast is the fast build, how much does it handle, and does it ever say something else than torch's own build?

    python bench/build.py                      every stage, at its full size (hours on two cores)
    python bench/build.py --stage stock --limit 2
    python bench/build.py --stage agreement --limit 16
    python bench/build.py --stage share --limit 50
    python bench/build.py --stage report       the table of what is measured so far

Kernels come from the corpora (`KVAL_CORPORA`, else `../shared/corpora`), in an order that `--seed` decides. `stock`
builds each kernel both ways, in turn. `agreement` compares the fast verdict with a cheaper stand-in for stock: torch's
real headers, `nvcc -cubin` with several kernels in one file (halved until the culprits are found), `g++ -fsyntax-only`
on a precompiled header. `share` counts what the fast path handles. Every result is appended to
`bench/results/build.jsonl`; what is there is not measured again. The figures go to `bench/results/build.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "cuda-harness"))

from kval_harness.build.fast import fast_build  # noqa: E402
from kval_harness.build.record import Attempt  # noqa: E402
from kval_harness.build.rules import check_rules  # noqa: E402
from kval_harness.build.shim.prepare import prepare  # noqa: E402
from kval_harness.build.spec import ExtensionSpec, is_cuda_file  # noqa: E402
from kval_harness.build.steps import run_step  # noqa: E402
from kval_harness.build.stock import precompiled_headers, stock_build, stock_plan, write_sources  # noqa: E402
from kval_harness.build.toolchain import Toolchain, find_toolchain  # noqa: E402
from kval_harness.probe import Answer, Refusal, probe_candidate  # noqa: E402

from corpora import corpora_folder, read_cuda_candidates, read_problems  # noqa: E402
from rows import append_row, read_rows  # noqa: E402
from scratch import scratch  # noqa: E402

RESULTS = ROOT / "bench" / "results"
MEASURED = RESULTS / "build.jsonl"
CACHE = ROOT / ".kval" / "bench-cache"
PROBED = CACHE / "probed.jsonl"
STAGES = ("stock", "agreement", "share", "report")
FULL = {"stock": 24, "agreement": 300, "share": 2000}
BATCH = 24
LIMIT_S = 1800.0
INCLUDE_LINE = re.compile(r"^[ \t]*#[ \t]*include\b[^\n]*$", re.MULTILINE)
# What cannot stand inside a namespace with others.
UNBATCHABLE = re.compile(
    r"PYBIND11_MODULE|extern\s*\"C\"|\bnamespace\s+(?:at|c10|torch|std)\b|^[ \t]*#[ \t]*(?!include|pragma|define)\w+",
    re.MULTILINE,
)
DEFINED = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)


def main() -> None:
    options = _options()
    RESULTS.mkdir(parents=True, exist_ok=True)
    toolchain = find_toolchain(CACHE)
    stages = [options.stage] if options.stage else list(STAGES)
    if stages != ["report"]:
        prepare(toolchain, CACHE)
        specs = _specs(corpora_folder(), options.seed)
        for stage in stages:
            if stage != "report":
                limit = options.limit or FULL[stage]
                {"stock": _stock, "agreement": _agreement, "share": _share}[stage](specs, toolchain, limit)
    _report(toolchain, options)


def _stock(specs: list[tuple[str, ExtensionSpec]], toolchain: Toolchain, limit: int) -> None:
    """Stock and fast, interleaved, on the first `limit` kernels that torch's rules let through."""
    done = {one["id"] for one in _measured("stock")}
    chosen = [(name, spec) for name, spec in specs if check_rules(spec) is None][:limit]
    for count, (name, spec) in enumerate(chosen, 1):
        if name not in done:
            fast = _timed("fast", spec, toolchain)
            stock = _timed("stock", spec, toolchain)
            append_row(MEASURED, {"stage": "stock", "id": name, "fast": fast, "stock": stock})
            print(f"stock {count}/{len(chosen)} {name}: {stock['ms']:.0f} ms stock, {fast['ms']:.0f} ms fast")


def _share(specs: list[tuple[str, ExtensionSpec]], toolchain: Toolchain, limit: int) -> None:
    done = {one["id"] for one in _measured("share")}
    for count, (name, spec) in enumerate(specs[:limit], 1):
        if name not in done:
            append_row(MEASURED, {"stage": "share", "id": name, "fast": _fast_verdict(spec, toolchain)})
            if count % 10 == 0:
                print(f"share {count}/{min(limit, len(specs))}")


def _agreement(specs: list[tuple[str, ExtensionSpec]], toolchain: Toolchain, limit: int) -> None:
    """The stand-in is first asked about the kernels that stock has judged, then about others that fast handles."""
    done = {one["id"] for one in _measured("agreement")}
    judged = {one["id"] for one in _measured("stock")}
    order = sorted(specs, key=lambda one: one[0] not in judged)
    chosen = [(name, spec) for name, spec in order if check_rules(spec) is None][: limit + len(judged)]
    waiting = [(name, spec) for name, spec in chosen if name not in done]
    # Kernels with the same includes share a run of nvcc; the commonest first.
    common = Counter(_includes(spec) for _, spec in waiting)
    waiting.sort(key=lambda one: (one[0] not in judged, -common[_includes(one[1])], sorted(_includes(one[1]))))
    for start in range(0, len(waiting), BATCH):
        group = waiting[start : start + BATCH]
        verdicts = {name: _fast_verdict(spec, toolchain) for name, spec in group}
        # Those that should fail go alone: one of them would make its whole batch be halved.
        cuda = dict(_cuda_verdicts([one for one in group if verdicts[one[0]]["verdict"] == "built"], toolchain))
        failed = [(name, spec) for name, spec in group if verdicts[name]["verdict"] == "failed"]
        cuda |= {name: _nvcc_accepts([spec], toolchain) for name, spec in failed}
        for name, spec in group:
            stand_in = None
            if name in cuda:
                stand_in = "built" if cuda[name] and _cpp_accepts(spec, toolchain) else "failed"
            append_row(MEASURED, {"stage": "agreement", "id": name, "fast": verdicts[name], "standIn": stand_in})
        print(f"agreement {min(start + BATCH, len(waiting))}/{len(waiting)}")


def _cuda_verdicts(group: Sequence[tuple[str, ExtensionSpec]], toolchain: Toolchain) -> Iterator[tuple[str, bool]]:
    """Whether nvcc accepts each kernel's CUDA file with torch's own headers; together first, then halved."""
    alone = [one for one in group if UNBATCHABLE.search(_cuda_text(one[1])) or one[1].extra_cuda_cflags]
    together = [one for one in group if one not in alone]
    for one in alone:
        yield one[0], _nvcc_accepts([one[1]], toolchain)
    # One kernel's includes must not help another's.
    alike: dict[frozenset[str], list[tuple[str, ExtensionSpec]]] = {}
    for one in together:
        alike.setdefault(_includes(one[1]), []).append(one)
    for same in alike.values():
        yield from _halved(same, toolchain)


def _includes(spec: ExtensionSpec) -> frozenset[str]:
    return frozenset(line.strip() for line in INCLUDE_LINE.findall(_cuda_text(spec)))


def _halved(group: Sequence[tuple[str, ExtensionSpec]], toolchain: Toolchain) -> Iterator[tuple[str, bool]]:
    if not group:
        return
    if _nvcc_accepts([spec for _, spec in group], toolchain):
        yield from ((name, True) for name, _ in group)
    elif len(group) == 1:
        yield group[0][0], False
    else:
        yield from _halved(group[: len(group) // 2], toolchain)
        yield from _halved(group[len(group) // 2 :], toolchain)


def _nvcc_accepts(specs: Sequence[ExtensionSpec], toolchain: Toolchain) -> bool:
    """One spec is compiled as torch would write it; several stand in namespaces of their own, their includes first."""
    with scratch() as folder:
        plan = stock_plan(specs[0], toolchain, folder)
        work = [one for one in plan.compilations if one.tool == "nvcc"]
        if not work:
            return True
        write_sources(specs[0], folder)
        if len(specs) > 1:
            texts = [_cuda_text(spec) for spec in specs]
            includes = dict.fromkeys(line.strip() for text in texts for line in INCLUDE_LINE.findall(text))
            parts = [
                f'namespace batch_{place} {{\n#line 1 "{place}.cu"\n{INCLUDE_LINE.sub("", text)}\n}}\n'
                + "\n".join(f"#undef {name}" for name in DEFINED.findall(text))
                for place, text in enumerate(texts)
            ]
            Path(folder / work[0].source.path).write_text("\n".join([*includes, *parts]), encoding="utf-8")
        words = ["-cubin" if word == "-c" else word for word in work[0].command]
        words[words.index("-o") + 1] = "out.cubin"
        return _ok("nvcc", words, folder, toolchain)


def _cpp_accepts(spec: ExtensionSpec, toolchain: Toolchain) -> bool:
    with scratch() as folder:
        headers = precompiled_headers(toolchain, CACHE, spec.extra_cflags)
        plan = stock_plan(spec, toolchain, folder, precompiled=headers)
        write_sources(spec, folder)
        work = [one for one in plan.compilations if one.tool == "g++"]
        commands = [["-fsyntax-only" if word == "-c" else word for word in one.command] for one in work]
        return all(_ok("g++", command, folder, toolchain) for command in commands)


def _ok(tool: str, words: Sequence[str], folder: Path, toolchain: Toolchain) -> bool:
    deadline = time.monotonic() + LIMIT_S
    return run_step(tool, words, folder=folder, environment=toolchain.environment(folder), deadline=deadline).ok


def _cuda_text(spec: ExtensionSpec) -> str:
    return "\n".join(file.text for file in spec.files() if is_cuda_file(file.path))


def _fast_verdict(spec: ExtensionSpec, toolchain: Toolchain) -> dict[str, Any]:
    began = time.monotonic()
    if check_rules(spec) is not None:
        return {"verdict": "failed", "stage": "rules", "ms": (time.monotonic() - began) * 1000}
    return _timed("fast", spec, toolchain)


def _timed(path: str, spec: ExtensionSpec, toolchain: Toolchain) -> dict[str, Any]:
    with scratch() as folder:
        began = time.monotonic()
        deadline = began + LIMIT_S
        build = fast_build if path == "fast" else stock_build
        # Stock is timed as torch builds: without the harness's precompiled header.
        more: dict[str, Any] = {"cache_folder": CACHE} if path == "fast" else {}
        attempt: Attempt = build(spec, toolchain, folder, deadline, limit_ms=LIMIT_S * 1000, **more)
        took = (time.monotonic() - began) * 1000
    verdict = "built" if attempt.library is not None else "failed" if attempt.failure is not None else "declined"
    # Never the compilers' words: they quote other people's kernels.
    stage = getattr(attempt.failure, "stage", None)
    return {"verdict": verdict, "stage": stage, "ms": took}


def _specs(corpora: Path, seed: int) -> list[tuple[str, ExtensionSpec]]:
    """Every build call of every CUDA candidate, in the seed's order. Probing all takes minutes, so it is kept."""
    known = {one["id"]: one["specs"] for one in read_rows(PROBED)}
    problems = read_problems(corpora)
    found = []
    for name, row in read_cuda_candidates(corpora):
        if name not in known:
            problem = row.get("reference_code") or problems.get((row["level"], row["problem_id"]))
            known[name] = _probe(row["code"], problem)
            append_row(PROBED, {"id": name, "specs": known[name]})
        found += [(f"{name}:{call}", ExtensionSpec.from_json(data)) for call, data in enumerate(known[name])]
    random.Random(seed).shuffle(found)
    return found


def _probe(source: str, problem: str | None) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def answer(request: ExtensionSpec | Refusal) -> Answer:
        if isinstance(request, Refusal):
            return Answer(error=request.message)
        calls.append(request.to_json())
        functions = tuple(name for name, _ in request.functions or ())
        return Answer(exports=functions)

    with scratch() as folder:
        probe_candidate(source, problem, folder=folder, limit_s=60, build=answer)
    return calls


def _report(toolchain: Toolchain, options: argparse.Namespace) -> None:
    pairs = _measured("stock")
    both = [one for one in pairs if one["fast"]["verdict"] == "built" and one["stock"]["verdict"] == "built"]
    ratios = [one["stock"]["ms"] / one["fast"]["ms"] for one in both]
    # Both stages take kernels as the seed orders them, whatever they are.
    shares = [one["fast"] for one in {one["id"]: one for one in _measured("share") + _measured("agreement")}.values()]
    handled = [one for one in shares if one["verdict"] != "declined"]
    compared = [one for one in _measured("agreement") if one["standIn"] is not None]
    judged = {one["id"]: one["stock"]["verdict"] for one in pairs}
    disagreements = [
        {"id": one["id"], "fast": one["fast"], "stock": one["stock"]}
        for one in pairs
        if one["fast"]["verdict"] not in ("declined", one["stock"]["verdict"])
    ]
    # A link error is beyond the stand-in: it never links.
    disagreements += [
        {"id": one["id"], "fast": one["fast"], "standIn": one["standIn"]}
        for one in compared
        if one["fast"]["verdict"] != one["standIn"] and one["fast"]["stage"] != "link"
    ]
    checked = [one for one in compared if one["id"] in judged]
    figures = {
        "command": " ".join(["python", *sys.argv]),
        "versions": toolchain.identity(),
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "seed": options.seed},
        "stockMs": _spread([one["stock"]["ms"] for one in both]),
        "fastMs": _spread([one["fast"]["ms"] for one in both]),
        "ratio": _spread(ratios),
        "pairs": len(pairs),
        "share": {"kernels": len(shares), "handled": len(handled)},
        "fastMsOverAll": _spread([one["ms"] for one in shares if one["verdict"] == "built"]),
        "agreement": {
            "compared": len(compared),
            "standInAgainstStock": {
                "compared": len(checked),
                "agreed": sum(one["standIn"] == judged[one["id"]] for one in checked),
            },
        },
        "disagreements": disagreements,
    }
    (RESULTS / "build.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"{'':24}{'n':>6}{'median':>12}{'p90':>12}")
    print(_row("stock (ms)", _spread([one["stock"]["ms"] for one in both])))
    print(_row("fast (ms)", _spread([one["fast"]["ms"] for one in both])))
    print(_row("stock / fast", _spread(ratios)))
    print(_row("fast, all built (ms)", _spread([one["ms"] for one in shares if one["verdict"] == "built"])))
    if shares:
        print(f"handled by the fast path: {len(handled)} of {len(shares)} ({100 * len(handled) / len(shares):.1f} %)")
    print(f"compared with the stand-in: {len(compared)}; stand-in against stock: {len(checked)}")
    print(f"disagreements: {len(disagreements)}")
    for one in disagreements:
        print("  " + json.dumps(one))


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return {"n": len(ordered), "median": statistics.median(ordered), "p90": p90}


def _row(label: str, spread: dict[str, float] | None) -> str:
    if spread is None:
        return f"{label:24}{0:>6}"
    return f"{label:24}{spread['n']:>6}{spread['median']:>12.1f}{spread['p90']:>12.1f}"


def _measured(stage: str) -> list[dict[str, Any]]:
    return [one for one in read_rows(MEASURED) if one["stage"] == stage]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="stock against fast builds on real kernels")
    parser.add_argument("--stage", choices=STAGES, default=None, help="one stage alone (default: all)")
    parser.add_argument("--limit", type=int, default=None, help="how many kernels in each stage")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
