"""The names under which the server may be asked for: a page that rebinds its own name to this address has another."""

import ipaddress
import re
from collections.abc import Iterable

import psutil

from kveraser_core.errors import KVEraserError

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_NAME = re.compile(r"(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?P<port>:[0-9]{1,5})?")


class HostNameError(KVEraserError):
    """What `--allow-host` gives is no name of a host."""


class Hosts:
    """The values of `Host` that are accepted where `host` and `port` are served.

    The names of this machine go with the served port only. One of `names` goes with the port that it has itself or,
    without one, with every port: a proxy or a tunnel in front of the server decides about it.
    """

    def __init__(self, host: str, port: int, names: Iterable[str] = ()) -> None:
        own = _names_of(host)
        self.address = f"http://{own[0]}:{port}"
        self._exact = {f"{name}:{port}" for name in own} | (set(own) if port == 80 else set())
        self._any_port: set[str] = set()
        self._given: set[str] = set()
        for name in names:
            found = _NAME.fullmatch(_bracketed(name.lower()))
            if found is None:
                raise HostNameError(
                    f'"{name}" is no name of a host: give --allow-host one like pc.example or pc:8080.'
                )
            (self._given if found["port"] else self._any_port).add(found[0])

    def __contains__(self, authority: str) -> bool:
        return authority.lower() in self._exact or self.is_given(authority)

    def is_given(self, authority: str) -> bool:
        """Whether it is one of `names`, whose `Host` and scheme a proxy decides about."""
        found = _NAME.fullmatch(authority.lower())
        return found is not None and (found[0] in self._given or found["name"] in self._any_port)

    @property
    def patterns(self) -> list[str]:
        """The same for the MCP library, which writes any port as `:*`."""
        return sorted(self._exact | self._given | self._any_port | {f"{name}:*" for name in self._any_port})


def is_this_machine(host: str) -> bool:
    """Whether `host`, as given to `--host`, can be reached from this machine only."""
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


def _names_of(host: str) -> list[str]:
    """The names of what is served at `host`, the one to show first."""
    address = _address(host)
    if is_this_machine(host):
        first = _bracketed(host.lower())
        return [first, *(name for name in _LOOPBACK if name != first)]
    if address is None or not address.is_unspecified:
        return [_bracketed(host.lower())]
    found = [
        _bracketed(entry.address.partition("%")[0])
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if (own := _address(entry.address.partition("%")[0])) and not own.is_loopback
    ]
    return [*sorted(found, key=lambda name: name.startswith("[")), *_LOOPBACK]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    """`host` as an address line has it: IPv6 in brackets."""
    return f"[{host}]" if isinstance(_address(host), ipaddress.IPv6Address) else host
