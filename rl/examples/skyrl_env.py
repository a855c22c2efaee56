"""SkyRL: registers the environment `kval` and starts SkyRL's trainer. A test plays the environment; the trainer was
not run.

Rows hold `env_class: kval`, `reward_spec: {ground_truth: starter/level1/1}` and, for several turns, `max_turns`.
"""

from __future__ import annotations

import sys

import skyrl_gym

if __name__ == "__main__":
    skyrl_gym.register(id="kval", entry_point="kval.skyrl:KernelEnv")
    from skyrl_train.entrypoints.main_base import main

    sys.exit(main())
