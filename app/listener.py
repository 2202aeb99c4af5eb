"""The address that the page is served at, taken before anything that takes long is begun."""

import errno
import os
import socket

from kveraser_core.errors import KVEraserError


class CannotListen(KVEraserError):
    """The page cannot be served at the address that was asked for."""


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at `port` of `host`, with port 0 at one that is free. Raises `CannotListen`.

    Who connects before the page is served waits for it.
    """
    if not 0 <= port <= 65535:
        raise CannotListen(f"There is no port {port}: give a --port from 1 to 65535, or 0 for one that is free.")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(
            f"There is no host {host!r}: give the --host of an address of this machine, such as 127.0.0.1."
        ) from error
    family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address, family=family, dualstack_ipv6=both)
    except OSError as error:
        raise CannotListen(_sentence(host, port, error.errno or 0)) from error


def _sentence(host: str, port: int, number: int) -> str:
    if number == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken by another program: end that, or give another --port."
    if number in (errno.EACCES, errno.EPERM):
        return f"This user may not serve at port {port} of {host}: give a --port from 1024 up."
    if number == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: give the --host of one that is, such as 127.0.0.1."
    return (
        f"The page cannot be served at port {port} of {host} ({os.strerror(number)}): give another --host or --port."
    )
