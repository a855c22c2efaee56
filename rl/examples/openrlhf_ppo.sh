#!/bin/sh
# OpenRLHF with kval as remote reward. Not run here; tests send what OpenRLHF sends.
# The label column names the problem. Model, data and sizes: further arguments.
set -eu
exec python -m openrlhf.cli.train_ppo_ray --reward.remote_url "${KVAL_URL:-http://127.0.0.1:8700}/openrlhf" "$@"
