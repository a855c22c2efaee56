"""A failure of the instrument: it says nothing about the candidate and never becomes a label."""

from __future__ import annotations


class InstrumentError(Exception):
    """The harness could not judge. `code` is one of the protocol's error codes; `retry`: trying again may help."""

    def __init__(self, code: str, message: str, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry
