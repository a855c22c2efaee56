#!/bin/sh
# slime with kval's verdicts as reward. Not run whole, for want of a GPU: its reward hub was run against kval, by this
# function and by HTTP; tests run the coroutine, and replay what the hub sent.
# The label names the problem. Model, data and sizes: further arguments.
set -eu
: "${KVAL_URL:=http://127.0.0.1:8700}"
export KVAL_URL
exec python train.py --custom-rm-path kval.slime.custom_rm --reward-key reward --eval-reward-key reward "$@"
