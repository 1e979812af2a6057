"""Blocks the outside network in this process; Python runs it by itself wherever this folder is on PYTHONPATH.

tests/conftest.py imports it for the test process and puts the folder on PYTHONPATH for every child.
An audit hook sees each look-up, connection and datagram of the interpreter, whichever library makes it,
and cannot be taken off again. Only loopback addresses and unix sockets pass. An attempt is also written to
the file $ZOO_TEST_NETWORK_LOG, because a library that swallows the error must still fail the test.
"""

import os
import sys

EVENTS = {
    "socket.connect": 1,  # event -> which argument holds the address
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}
NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost", "0.0.0.0", "::", "::1"})


class NetworkBlocked(RuntimeError):
    """A test reached for the outside network. No OSError: nobody may take it for a server that is down."""


def is_local(address: object) -> bool:
    """Whether a socket address or a host name stays on this machine."""
    if isinstance(address, tuple):  # ("host", port, …) of IPv4 and IPv6
        address = address[0] if address else ""
    if isinstance(address, bytes | bytearray):
        address = bytes(address).decode("utf-8", "replace")
    if not isinstance(address, str):  # None: no address given, as for getaddrinfo(None, port)
        return True
    host = address.lower().split("%")[0].rstrip(".")
    return host in NAMES or host.startswith(("127.", "::ffff:127.")) or host == os.uname().nodename.lower()


def _is_unix(event: str, arguments: tuple[object, ...]) -> bool:
    return not event.startswith("socket.get") and not isinstance(arguments[EVENTS[event]], tuple)


def _block(event: str, arguments: tuple[object, ...]) -> None:
    position = EVENTS.get(event)
    if position is None or _is_unix(event, arguments) or is_local(arguments[position]):
        return
    test = os.environ.get("PYTEST_CURRENT_TEST", "code outside a test")
    message = f"{test} reached for the outside network: {event} {arguments[position]!r}"
    if log := os.environ.get("ZOO_TEST_NETWORK_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(message + "\n")
    raise NetworkBlocked(message)


sys.addaudithook(_block)
