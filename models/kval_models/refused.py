"""What a command refuses because of what it was given: told in one line, without a traceback."""

from __future__ import annotations


class Refused(ValueError):
    """The caller can mend it."""
