#!/bin/sh
# verl's GRPO with kval's verdicts as reward. Not run whole, for want of a GPU: verl took these arguments (--cfg job),
# its trainer's validation was run against kval by hand, and tests run its loader and its reward managers.
# The data's column reward_model.ground_truth names the problem. Model, data and sizes: further arguments.
set -eu
: "${KVAL_URL:=http://127.0.0.1:8700}"
export KVAL_URL
path=$(python -c 'import kval.verl; print(kval.verl.__file__)')
exec python -m verl.trainer.main_ppo algorithm.adv_estimator=grpo \
  reward.custom_reward_function.path="$path" reward.custom_reward_function.name=compute_score "$@"
