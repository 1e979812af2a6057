"""Addresses of Bitcoin with right checksums, for stand-ins. `predefined` has Presidio check what it finds."""

from __future__ import annotations

import hashlib

from governance.pii.predefined import crypto_recognizer

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_WITNESS_VERSION = 0


def base58_address(version: int, content: bytes) -> str:
    """Base58check: four bytes of a double SHA-256 behind; each zero byte in front is a 1."""
    payload = bytes([version]) + content
    payload += hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, written = int.from_bytes(payload, "big"), ""
    while number:
        number, digit = divmod(number, len(_BASE58))
        written = _BASE58[digit] + written
    return _BASE58[0] * (len(payload) - len(payload.lstrip(b"\0"))) + written


def segwit_address(content: bytes) -> str:
    """Bech32 (BIP 173): groups of five bits, six of which behind are a checksum."""
    number, bits = int.from_bytes(content, "big"), 8 * len(content)
    groups = [_WITNESS_VERSION, *(number >> shift & 31 for shift in range(bits - 5, -1, -5))]
    check = crypto_recognizer()
    rest = check.bech32_polymod([*check.bech32_hrp_expand("bc"), *groups, *[0] * 6]) ^ 1
    groups += [rest >> shift & 31 for shift in range(25, -1, -5)]
    return "bc1" + "".join(_BECH32[group] for group in groups)
