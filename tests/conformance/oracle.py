"""The oracle: delivered and reported lost together are what was produced, and nothing comes twice."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Account:
    """What a subscriber wrote of one session, and the gaps that it reported there."""

    delivered: bytes
    gaps: list[tuple[int, int]] = field(default_factory=list)
    begin: int = 0


def check_equation(produced: bytes, account: Account, to_the_end: bool = True) -> str:
    """Walks from `account.begin` through what was delivered and the gaps in turn.

    Returns "" if it adds up, else the first thing that does not. Without `to_the_end` it may stop
    anywhere.
    """
    position = account.begin
    taken = 0
    for start, end in account.gaps:
        if start < position or end <= start:
            return f"gap [{start}, {end}) after position {position}"
        if end > len(produced):
            return f"gap [{start}, {end}) of {len(produced)} bytes produced"
        wanted = produced[position:start]
        if account.delivered[taken : taken + len(wanted)] != wanted:
            return difference(wanted, account.delivered[taken:], position)
        taken += len(wanted)
        position = end
    rest = account.delivered[taken:]
    wanted = produced[position:] if to_the_end else produced[position : position + len(rest)]
    return "" if rest == wanted else difference(wanted, rest, position)


def difference(wanted: bytes, got: bytes, position: int) -> str:
    """Says where `got`, which should be `wanted` from `position` on, goes wrong."""
    common = next(
        (i for i, (a, b) in enumerate(zip(wanted, got)) if a != b), min(len(wanted), len(got))
    )
    return (
        f"right from {position} to {position + common}, then {len(got) - common} bytes "
        f"{got[common : common + 40]!r} in place of {len(wanted) - common} bytes "
        f"{wanted[common : common + 40]!r}"
    )
