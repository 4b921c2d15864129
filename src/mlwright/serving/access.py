"""Who may call what: everybody on this machine, holders of keys, or those whom a proxy in front has let in."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from mlwright.core import MlwrightError
from mlwright.serving.http import HttpProblem, Request, Route
from mlwright.serving.keys import KeyRing

_Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
#: Headers that a client, a connection or this service gives a meaning of its own.
_TAKEN = {"authorization", "connection", "content-length", "content-type", "host", "x-api-key", "x-request-id"}


class ServiceExposed(MlwrightError):
    """The service would be reachable from other machines by anybody."""

    def __init__(self, host: str, what: str) -> None:
        super().__init__(
            what,
            where=f"--host {host}",
            fix="make a key with `mlwright keys add NAME` and serve with `--keys mlwright.keys`; or name the header that a "
            "proxy sets for those it lets in (`--proxy-header X-User --proxy-from 10.0.0.7`); or leave --host at 127.0.0.1",
        )


class ProxyUnfit(MlwrightError):
    """The header of a trusted proxy, or the addresses of proxies, cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """Who may call a service.

    Attributes
    ----------
    keys
        The file of keys (`mlwright keys`); None if there are none.
    proxy_header
        A header by which a proxy says that it knows who asks.
    proxy_from
        Addresses of proxies, or networks such as `10.1.0.0/16`; from others the header counts for nothing.
    anybody
        Others than this machine may call without a key. Only for a container that its platform alone can reach.
    """

    keys: str | None = None
    proxy_header: str | None = None
    proxy_from: tuple[str, ...] = ()
    anybody: bool = False


class AccessControl:
    """Judges requests by their head; the `access` of a `Service`.

    Health and documentation are for everybody. Answers are for everybody if there are neither keys nor a proxy, which
    `access_control` allows on this machine only. What changes the service always wants a key for that: a page in a browser
    on this machine can send requests here too.
    """

    def __init__(self, *, keys: KeyRing | None = None, proxy: TrustedProxy | None = None) -> None:
        self._keys, self._proxy = keys, proxy

    def __call__(self, route: Route, request: Request) -> None:
        """Pass or raise.

        Raises
        ------
        HttpProblem
            401 if nobody knows who asks, 403 if whoever asks may not do this.
        """
        if route.kind == "open":
            return
        if route.kind == "scoring":
            if self._keys is None and self._proxy is None:
                return
            if self._proxy is not None and self._proxy.vouches_for(request):
                return
        given = _shown(request)
        if given is None:
            if route.kind == "admin" and (self._keys is None or "admin" not in self._keys.scopes()):
                raise HttpProblem(
                    403,
                    "this service takes no admin calls",
                    fix="start it with a file of keys that has one of `mlwright keys add NAME --admin`",
                )
            raise _unknown("a key is wanted here", b"Bearer")
        key = None if self._keys is None else self._keys.key_of(given)
        if key is None:
            raise _unknown("this key is not known here", b'Bearer error="invalid_token"')
        if key.scope != ("admin" if route.kind == "admin" else "score"):
            raise HttpProblem(
                403,
                "this key is not for admin calls" if route.kind == "admin" else "this key is for admin calls only",
                headers=((b"www-authenticate", b'Bearer error="insufficient_scope"'),),
            )


class TrustedProxy:
    """A proxy in front that lets people in and says so by a header.

    Raises
    ------
    ProxyUnfit
        If the header or an address cannot be used.

    Examples
    --------
    >>> proxy = TrustedProxy("X-User", ["10.1.0.0/16"])
    >>> proxy.vouches_for(Request("POST", "/predict", raw_headers=[(b"x-user", b"ann")], client=("10.1.2.3", 5000)))
    True
    >>> proxy.vouches_for(Request("POST", "/predict", raw_headers=[(b"x-user", b"ann")], client=("10.9.2.3", 5000)))
    False
    """

    def __init__(self, header: str, addresses: Sequence[str]) -> None:
        if not _HEADER.fullmatch(header) or header.lower() in _TAKEN:
            raise ProxyUnfit(
                "this header cannot say that a proxy let somebody in",
                where="--proxy-header",
                fix="e.g. X-Forwarded-User",
            )
        if not addresses:
            raise ProxyUnfit(
                "without the proxy's address anybody could send its header",
                where="--proxy-header",
                fix="add --proxy-from with the proxy's address, e.g. 10.0.0.7 or 10.1.0.0/16",
            )
        self._header = header.lower().encode()
        self._networks = [_network(text) for text in addresses]
        self._is_there = lru_cache(256)(self._is_within)  # parsing an address takes longer than the rest of a judgement

    def vouches_for(self, request: Request) -> bool:
        """Whether it comes from the proxy and has its header."""
        if request.client is None or not (request.header(self._header) or b"").strip():
            return False
        return self._is_there(request.client[0])

    def _is_within(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        # A socket that listens on :: shows IPv4 clients as ::ffff:10.0.0.7.
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self._networks)


def access_control(settings: AccessSettings, *, host: str | None = None) -> AccessControl:
    """The access control of a service.

    Parameters
    ----------
    host
        What it is to listen on, where that is to be judged.

    Raises
    ------
    ServiceExposed
        If other machines could call it without a key and without passing a proxy.
    KeyFileUnfit, ProxyUnfit
        If the settings cannot be used.
    """
    keys = None if settings.keys is None else KeyRing(Path(settings.keys))
    proxy = None
    if settings.proxy_header is not None:
        proxy = TrustedProxy(settings.proxy_header, settings.proxy_from)
    elif settings.proxy_from:
        raise ProxyUnfit(
            "addresses of proxies without the header that they set", where="--proxy-from", fix="add --proxy-header NAME"
        )
    if host is not None and proxy is None and not settings.anybody and not is_loopback(host):
        if keys is None:
            raise ServiceExposed(
                host, "beyond this machine the service answers nobody without a key or a trusted proxy"
            )
        if not keys.scopes():
            raise ServiceExposed(host, "the file of keys has no key, so nobody could call the service")
    return AccessControl(keys=keys, proxy=proxy)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`: an address or a name.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if not host:
        return False  # all addresses
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ProxyUnfit(
            "the address of a proxy is not an IP address or network",
            where="--proxy-from",
            fix="e.g. 10.0.0.7 or 10.1.0.0/16",
        ) from error


def _shown(request: Request) -> bytes | None:
    """The key that a request shows, by `Authorization: Bearer …` or `X-API-Key: …`."""
    kind, _, value = (request.header(b"authorization") or b"").partition(b" ")
    if kind.lower() == b"bearer":
        return value.strip()
    return request.header(b"x-api-key")


def _unknown(what: str, challenge: bytes) -> HttpProblem:
    return HttpProblem(
        401,
        what,
        fix="send `Authorization: Bearer KEY` or `X-API-Key: KEY`",
        headers=((b"www-authenticate", challenge),),
    )
