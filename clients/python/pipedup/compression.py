"""zstd payloads (PROTOCOL.md, section 2), where the package `zstandard` is installed."""

from __future__ import annotations

from typing import Callable, List, Optional

from .header import BadMessage, Buffer

try:
    import zstandard
except ImportError:  # pragma: no cover - Debian has it, others may not
    zstandard = None  # type: ignore[assignment]

_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
# A frame that does not tell its size is decoded through a window of its own. No level up to 19 makes
# a larger one.
_MAX_WINDOW_BYTES = 8 << 20


def codecs() -> List[str]:
    """Codecs besides `none` that this process reads, as in hello."""
    return [] if zstandard is None else ["zstd"]


def decode(payload: Buffer, length: int) -> bytes:
    """The `length` bytes that one zstd frame holds.

    Never decodes or allocates more than `length` says, whatever the frame claims. Raises
    BadMessage(`zstd`) for anything but one whole frame of exactly that content, without dictionary.
    """
    if zstandard is None:
        raise BadMessage("zstd", "the package zstandard is not installed")
    if bytes(payload[:4]) != _FRAME_MAGIC:
        raise BadMessage("zstd", "not a frame")
    try:
        said = zstandard.get_frame_parameters(payload)
        known = said.content_size not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR)
        if said.dict_id or (known and said.content_size != length):
            raise BadMessage("zstd", "dictionary or another size")
        if length == 0:
            raise BadMessage("zstd", "nothing to decode")
        decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        data = decoder.decompress(payload, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BadMessage("zstd", str(error)) from None
    if len(data) != length:
        raise BadMessage("zstd", f"{len(data)} bytes for {length}")
    return data


def encoder(level: int = 1) -> Callable[[Buffer], Optional[bytes]]:
    """A function that compresses one payload, or says None where it would not shrink.

    For one thread. Raises RuntimeError where zstd is not installed.
    """
    if zstandard is None:
        raise RuntimeError("compression needs the package zstandard")
    compressor = zstandard.ZstdCompressor(level=level, write_content_size=True)

    def encode(payload: Buffer) -> Optional[bytes]:
        packed = compressor.compress(payload)
        return packed if len(packed) < len(payload) else None

    return encode
