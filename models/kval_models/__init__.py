"""Trains the simulators of kval. Each command reads files that kval wrote and writes files that kval reads."""

from __future__ import annotations
