"""The secret of a workspace, from which one key per domain and use is derived.

Pseudonyms are keyed, so that nobody without the key can tell by trying which name stands behind
one, and keys differ by domain, so that pseudonyms of two domains cannot be joined.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from governance.errors import ConfigError


@dataclass(frozen=True)
class Keys:
    """Derives domain keys with HMAC-SHA256 from a master secret (NIST SP 800-108, counter-less)."""

    master: bytes = field(repr=False)

    def derive(self, domain: str, use: str) -> bytes:
        """Returns the 32-byte key of a domain for one use ("pseudonyms", "subjects", ...)."""
        return hmac.new(self.master, f"{use}\0{domain}".encode(), hashlib.sha256).digest()

    @classmethod
    def from_file(cls, path: Path, *, create: bool) -> Keys:
        """Reads the master secret, or writes a new random one.

        Args:
            path: a file of 64 hexadecimal digits, readable by its owner alone.
            create: whether a missing file may be made.

        Raises:
            ConfigError: the file is missing (and may not be made), unreadable, or no key.
        """
        try:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            if not create:
                raise ConfigError(
                    "the key of the pseudonyms is missing, but there are dataset versions made with it",
                    where=str(path),
                    fix="restore the file from your backup; a new key would give each person a new pseudonym",
                ) from None
            return cls(_write_new(path))
        except OSError as error:
            raise ConfigError(f"the key cannot be read: {error.strerror}", where=str(path)) from None
        try:
            master = bytes.fromhex(text)
        except ValueError:
            master = b""
        if len(master) != 32:
            raise ConfigError(
                "a key is 64 hexadecimal digits", where=str(path), fix="restore the file from your backup"
            )
        return cls(master)


def keyed_hash(key: bytes, text: str) -> bytes:
    """16 bytes of an HMAC-SHA256: what stands for a text, an id or a person where they may not be kept themselves."""
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()[:16]


def _write_new(path: Path) -> bytes:
    """Makes the secret so that two processes that start at once end up with the same one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        temporary = Path(name)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # fails when another process was first: its key is the one
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise ConfigError(f"the key cannot be written: {error.strerror}", where=str(path)) from None
