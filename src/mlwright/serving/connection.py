"""A connection of uvicorn's that does not wait forever: heads of requests must come in time and have a size."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_HEAD_BYTES = 65_536
#: A client that was about to send a request when the end began has this long to be heard.
_LAST_S = 0.5


class Connection(HttpToolsProtocol):
    """Counts the seconds and bytes of a request's head, and closes gently."""

    #: When the head that is being read began; None between requests and while a body comes.
    head_since: float | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.head_since = time.monotonic()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.head_since is not None:
            # What came before is head for certain; this piece may have the beginning of a body.
            if self._head_bytes > _HEAD_BYTES:
                self.transport.close()
                return
            self._head_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        if self.head_since is None:
            self.head_since = time.monotonic()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.head_since = None
        self._head_bytes = 0
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Let the request in hand, or one that is just arriving, be the last."""
        if self._is_idle():
            self.loop.call_later(_LAST_S, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._is_idle():
            self.transport.close()
        else:
            self.cycle.keep_alive = False


def close_late(connections: set[Any], seconds: float) -> None:
    """Close the connections whose head takes longer than that to come."""
    now = time.monotonic()
    for connection in list(connections):
        since = connection.head_since
        if since is not None and now - since > seconds:
            connection.transport.close()
