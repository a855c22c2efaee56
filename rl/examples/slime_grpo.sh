#!/bin/sh
# slime with kval's verdicts as reward. Not run here; a test runs the coroutine that slime calls.
# The label names the problem. Model, data and sizes: further arguments.
set -eu
: "${KVAL_URL:=http://127.0.0.1:8700}"
export KVAL_URL
exec python train.py --custom-rm-path kval.slime.custom_rm --reward-key reward --eval-reward-key reward "$@"
