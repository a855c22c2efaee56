#!/usr/bin/env bash
# What only a GPU can show, in stages of well under ten minutes each.
#
#   bench/gpu.sh                        all stages
#   bench/gpu.sh tests devices          some
#   DEVICE=cpu bench/gpu.sh devices     a rehearsal on a machine without one
#
# tests       the tests that need a GPU
# redteam     cheats refused, honest kernels accepted
# devices     the same kernels on the CPU device and on the GPU: do they agree?
# timing      how well a time repeats
# labels      labels for the shipped candidates, and a minute's rate
# throughput  that rate beside KernelBench's own evaluation; needs a checkout of it in $KERNELBENCH, else it is left out
# gtm         a language model of 88 million parameters, trained from scratch on a built data set ($DATASET, else one of
#             the labels that are there and those that ship)
#
# It needs no network: python is $PYTHON, else .venv/bin/python, else python3; node is $NODE, else node, and is needed
# for `labels`, `gtm` and `throughput`. What was measured goes to $OUT, else bench/results; what is there is not measured
# again.
set -uo pipefail
cd "$(dirname "$0")/.."

device=${DEVICE:-cuda}
out=${OUT:-bench/results}
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}
node=${NODE:-node}
limit=${LIMIT:-540}
export PYTHONPATH=cuda-harness:models PYTHONUNBUFFERED=1
mkdir -p "$out"

run_tests() { "$python" -m pytest -q -p no:cacheprovider -m gpu test/python; }
run_redteam() { "$python" bench/redteam.py --device "$device"; }
run_devices() { "$python" bench/devices.py --device "$device" --out "$out"; }
run_timing() { "$python" bench/timing.py --device "$([ "$device" = cuda ] && echo cuda || echo host)"; }
run_labels() {
  "$node" dist/cli.js import kernelbench/candidates &&
    "$node" dist/cli.js label --problems starter --candidates all --device "$device" &&
    "$node" dist/cli.js labels export "$out/labels-$device.jsonl" && gzip -9f "$out/labels-$device.jsonl"
}
run_throughput() {
  "$python" bench/throughput.py --kernelbench "$KERNELBENCH" --device "$device" --node "$node"
}
run_gtm() {
  local set=${DATASET:-$out/gtm-set}
  if [ ! -d "$set" ]; then
    "$node" dist/cli.js labels import datasets/starter-mutants/labels.jsonl.gz &&
      "$node" dist/cli.js dataset build --out "$set" || return
  fi
  "$python" bench/gtm.py --out "$out" --dataset "$set" ${GTM_OPTIONS:-}
}

all=(tests redteam devices timing labels gtm throughput)
stages=("$@")
if [ ${#stages[@]} -eq 0 ]; then
  stages=("${all[@]}")
  [ -n "${KERNELBENCH:-}" ] || unset 'stages[-1]'
fi
failed=0
summary=""
for stage in "${stages[@]}"; do
  if ! declare -F "run_$stage" >/dev/null; then
    echo "no stage $stage: ${all[*]}" >&2
    exit 2
  fi
  echo "== $stage"
  began=$SECONDS
  export -f "run_$stage"
  device=$device out=$out python=$python node=$node timeout -k 10 "$limit" bash -uo pipefail -c "run_$stage" 2>&1 |
    tee "$out/$stage.txt"
  code=${PIPESTATUS[0]}
  [ "$code" -eq 0 ] || failed=1
  summary+=$(printf '%-12s %-8s %5d s' "$stage" "$([ "$code" -eq 0 ] && echo passed || echo "exit $code")" $((SECONDS - began)))$'\n'
done
printf '\n%s' "$summary"
exit $failed
