"""The PTX inside a library that nvcc built: taken out of its fat binaries, where it stands as plain text."""

from __future__ import annotations

import struct
from pathlib import Path

CONTAINER = 0xBA55ED50
HEADER_BYTES = 16
ENTRY = struct.Struct("<HHIQIIHHI")
PTX = 1
COMPRESSED = 0x2000 | 0x8000
FLAGS_AT = 40


def ptx_in(library: Path) -> list[str]:
    """Every PTX text in `library`, one for each CUDA source; of several architectures the newest."""
    data = library.read_bytes()
    texts, place = [], 0
    magic = struct.pack("<I", CONTAINER)
    while 0 <= (place := data.find(magic, place)) <= len(data) - HEADER_BYTES:
        header, size = struct.unpack_from("<HQ", data, place + 6)
        end = min(place + header + size, len(data))
        found = _entries(data, place + header, end)
        if found:
            texts.append(found[max(found)])
        place += 4
    return texts


def _entries(data: bytes, place: int, end: int) -> dict[int, str]:
    found: dict[int, str] = {}
    while place + ENTRY.size <= end:
        kind, _, header, size, _, _, _, _, arch = ENTRY.unpack_from(data, place)
        if header < ENTRY.size or header > 4096 or place + header + size > end:
            break
        flags = struct.unpack_from("<Q", data, place + FLAGS_AT)[0]
        if kind == PTX and not flags & COMPRESSED:
            body = data[place + header : place + header + size]
            found[arch] = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
        place += header + size
    return found
