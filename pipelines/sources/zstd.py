"""Zstandard files as streams of bytes with lines, and with an error where one is cut short.

The reader of the `zstandard` package, which fsspec would use, ends silently at a frame that is
not complete: the records behind it would be missing and nobody would know.
"""

from __future__ import annotations

import io
from typing import IO, Any

import zstandard

_READ_BYTES = 1 << 17


class _Frames(io.RawIOBase):
    """Decompressed bytes of all frames of a file (RFC 8878)."""

    def __init__(self, compressed: IO[bytes]) -> None:
        self._compressed = compressed
        self._frame: Any = None
        self._left = b""  # compressed bytes that follow the end of a frame
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._left or self._compressed.read(_READ_BYTES)
            self._left = b""
            if not data:
                if self._frame is not None:
                    raise EOFError("the last zstandard frame is not complete")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(data))
            if self._frame.eof:
                self._left, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def close(self) -> None:
        self._compressed.close()
        super().close()


def open_zstd(compressed: IO[bytes]) -> io.BufferedReader:
    """Opens a compressed stream; closing the result closes it.

    Raises (while reading):
        EOFError: the file is cut short.
        zstandard.ZstdError: it is no zstandard file, or damaged.
    """
    return io.BufferedReader(_Frames(compressed))
