"""The one line between a contained child and its parent: JSON messages, each behind its length.

The child's end is our own code in a process that an enemy may own; the parent's end believes nothing it reads.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Union

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]

MESSAGE_BYTES = 64 * 1024 * 1024  # a candidate of 10 MB quoted three times still fits


class Channel:
    """The child's side."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def ask(self, request: Json) -> Json:
        """Sends `request` and waits for the parent's answer. Raises EOFError when there is no parent any more."""
        self.tell("ask", request)
        size = struct.unpack(">I", self._take(4))[0]
        answer: Json = json.loads(self._take(size))
        return answer

    def tell(self, kind: str, body: Json) -> None:
        self._line.sendall(framed({"kind": kind, "body": body}))

    def _take(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._line.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError("the parent closed the line")
            data += piece
        return bytes(data)


class Inbox:
    """The parent's side of what comes in. What is no message breaks it for good."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._data = bytearray()
        self.broken = False

    def read(self) -> bool:
        """Takes what is there; false when nothing is there or will come."""
        try:
            piece = self._line.recv(1 << 20)
        except (BlockingIOError, ConnectionResetError):
            return False
        self._data += piece
        return bool(piece)

    def message(self) -> dict[str, Json] | None:
        """The next whole message."""
        if self.broken or len(self._data) < 4:
            return None
        size = struct.unpack(">I", self._data[:4])[0]
        if size > MESSAGE_BYTES:
            self.broken = True
        if self.broken or len(self._data) < 4 + size:
            return None
        body = bytes(self._data[4 : 4 + size])
        del self._data[: 4 + size]
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            message = None
        self.broken = not isinstance(message, dict)
        return message if isinstance(message, dict) else None


def framed(message: Json) -> bytes:
    data = json.dumps(message).encode()
    return struct.pack(">I", len(data)) + data
