"""Keys of NATS, and what they sign: what nk and nsc make, which Debian does not have."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3


def checksum(data: bytes) -> bytes:
    """CRC-16/XMODEM, little end first."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x1021 if crc & 0x8000 else 0)
            crc &= 0xFFFF
    return crc.to_bytes(2, "little")


def encode(data: bytes) -> str:
    return base64.b32encode(data + checksum(data)).decode().rstrip("=")


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """An Ed25519 key, of one of the kinds above."""

    def __init__(self, directory: Path, name: str, kind: int):
        self.file = directory / f"{name}.pem"
        self.directory = directory
        self.name = name
        self._openssl("genpkey", "-algorithm", "ed25519", "-out", self.file)
        private = self._openssl("pkey", "-in", self.file, "-outform", "DER")[-32:]
        public = self._openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-32:]
        self.public = encode(bytes([kind]) + public)
        self.seed = encode(bytes([SEED | (kind >> 5), (kind & 31) << 3]) + private)

    @staticmethod
    def _openssl(*words) -> bytes:
        return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True).stdout

    def claim(self, subject: "Key", nats: dict) -> str:
        """What this key says of `subject`, as a token."""
        header = {"typ": "JWT", "alg": "ed25519-nkey"}
        claim = {"jti": subject.public, "iat": int(time.time()), "iss": self.public,
                 "name": subject.name, "sub": subject.public, "nats": {**nats, "version": 2}}
        text = ".".join(url64(json.dumps(part).encode()) for part in (header, claim))
        file = self.directory / f"{subject.name}.claim"
        file.write_text(text)
        return text + "." + url64(self._openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", file))


def write_nkey(file: Path, key: Key) -> None:
    """As nk writes it with -pubout."""
    file.write_text(f"{key.seed}\n{key.public}\n")
    file.chmod(0o600)


def write_creds(file: Path, token: str, key: Key) -> None:
    """As nsc writes it."""
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{key.seed}\n------END USER NKEY SEED------\n"
    )
    file.chmod(0o600)


def operator_mode(directory: Path) -> tuple[str, Path]:
    """Lines of a server's configuration, and the credentials of a user of an account there."""
    operator, system = Key(directory, "operator", OPERATOR), Key(directory, "system", ACCOUNT)
    account, user = Key(directory, "account", ACCOUNT), Key(directory, "user", USER)
    unlimited = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1,
                 "exports": -1, "wildcards": True}
    jetstream = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    system_token = operator.claim(system, {"type": "account", "limits": unlimited})
    account_token = operator.claim(account, {"type": "account", "limits": {**unlimited, **jetstream}})
    user_token = account.claim(user, {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1,
                                      "payload": -1})
    write_creds(directory / "user.creds", user_token, user)
    config = (
        f"operator: {operator.claim(operator, {'type': 'operator'})}\n"
        f"system_account: {system.public}\nresolver: MEMORY\n"
        f"resolver_preload: {{\n  {system.public}: {system_token}\n  {account.public}: {account_token}\n}}\n"
    )
    return config, directory / "user.creds"
