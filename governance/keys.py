"""The secret of a workspace, from which one key per domain and use is derived.

Pseudonyms are keyed, so that nobody without the key can tell by trying which name stands behind
one, and keys differ by domain, so that pseudonyms of two domains cannot be joined.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from governance.errors import ConfigError


@dataclass(frozen=True)
class Keys:
    """Derives domain keys with HMAC-SHA256 from a master secret (NIST SP 800-108, counter-less).

    Attributes:
        reopen: gives the same keys in another process; None where only this one has them.
    """

    master: bytes = field(repr=False)
    reopen: Callable[[], Keys] | None = field(default=None, repr=False, compare=False)

    def derive(self, domain: str, use: str) -> bytes:
        """Returns the 32-byte key of a domain for one use ("pseudonyms", "subjects", ...)."""
        return hmac.new(self.master, f"{use}\0{domain}".encode(), hashlib.sha256).digest()

    def of(self, domain: str) -> DomainKeys:
        """The keys of a domain, for work that other processes share."""
        return DomainKeys(domain, self.fingerprint, self.reopen or self._itself)

    @property
    def fingerprint(self) -> str:
        """Tells master secrets apart, and says nothing of what is derived from them."""
        return self.derive("", "fingerprint").hex()

    def _itself(self) -> Keys:
        return self

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "a key is not sent to other processes, since what passes it on may keep it",
            fix="work in one process, or read the key with Keys.from_file, as other processes then do",
        )

    @classmethod
    def public(cls, phrase: str) -> Keys:
        """For text about nobody: anybody may know the phrase."""
        return cls(hashlib.sha256(phrase.encode()).digest(), functools.partial(cls.public, phrase))

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
            return cls(_write_new(path), cls._reader(path))
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
        return cls(master, cls._reader(path))

    @classmethod
    def _reader(cls, path: Path) -> Callable[[], Keys]:
        return functools.partial(cls.from_file, path.absolute(), create=False)


@dataclass(frozen=True)
class DomainKeys:
    """One domain's keys, derived where they are needed.

    Pickled it holds no key: a job server keeps what it passes on, and who has a key can test guesses against
    pseudonyms. The other process opens the keys itself.

    Attributes:
        fingerprint: of the keys that are meant; with others, the same person would have two pseudonyms.
        reopen: opens them.
    """

    domain: str
    fingerprint: str
    reopen: Callable[[], Keys] = field(compare=False)

    def derive(self, use: str) -> bytes:
        """Returns the 32-byte key for one use.

        Raises:
            ConfigError: the key file is missing here, or is not the one that is meant.
        """
        return self._keys.derive(self.domain, use)

    @functools.cached_property
    def _keys(self) -> Keys:
        keys = self.reopen()
        if keys.fingerprint != self.fingerprint:
            raise ConfigError(
                "this process finds another key of the pseudonyms than the one that began the work",
                fix="give all workers the same keys/pseudonyms.key",
            )
        return keys

    def __reduce__(self) -> tuple[type[DomainKeys], tuple[str, str, Callable[[], Keys]]]:
        return DomainKeys, (self.domain, self.fingerprint, self.reopen)  # without what was opened


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
