#!/bin/sh
# OpenRLHF with kval as remote reward. Not run whole, for want of a GPU: its agent executor, experiences and advantages
# were run against kval, and a test replays what the executor sent.
# The label column names the problem. Model, data and sizes: further arguments.
set -eu
exec python -m openrlhf.cli.train_ppo_ray --reward.remote_url "${KVAL_URL:-http://127.0.0.1:8700}/openrlhf" "$@"
