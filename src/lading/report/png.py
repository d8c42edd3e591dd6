"""An image as a PNG data URI, small enough for a page; written by hand, so that no image library is needed."""

import base64
import math
import struct
import zlib
from typing import Any

Rows = list[list[tuple[float, ...]]]
MAX_PIXELS = 1 << 16


def picture(pixels: Any) -> str | None:
    """An image (rows of numbers, or of colours, or one or three planes) as a PNG data URI; none for what is no image."""
    rows = _rows(pixels)
    if rows is None:
        return None
    flat = [value for row in rows for pixel in row for value in pixel]
    low, high = min(flat), max(flat)
    scale = 255 / ((high - low) or 1)
    raw = b"".join(b"\x00" + bytes(round((value - low) * scale) for pixel in row for value in pixel) for row in rows)
    colour_type = 2 if len(rows[0][0]) == 3 else 0
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, colour_type, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(raw, 9)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _rows(pixels: Any) -> Rows | None:
    """Rows of pixels of one or three numbers each."""
    try:
        if len(pixels) in {1, 3} and isinstance(pixels[0][0], list):  # planes first
            planes = pixels
            pixels = [[[plane[i][j] for plane in planes] for j in range(len(planes[0][0]))] for i in range(len(planes[0]))]
        rows = [[tuple(map(float, pixel if isinstance(pixel, list) else [pixel])) for pixel in row] for row in pixels]
    except (TypeError, ValueError, IndexError, KeyError):
        return None
    if not rows or not rows[0] or len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > MAX_PIXELS:
        return None
    depths = {len(pixel) for row in rows for pixel in row}
    good = depths in ({1}, {3}) and all(math.isfinite(value) for row in rows for pixel in row for value in pixel)
    return rows if good else None
