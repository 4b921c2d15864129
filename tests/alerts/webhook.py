"""A real webhook on loopback that keeps what it gets; it can refuse the first calls, or take them and never answer."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Webhook:
    refuses: int = 0
    hangs: bool = False
    got: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    refused: int = 0

    def __enter__(self) -> Self:
        webhook = self
        self._let_go = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if webhook.hangs:
                    webhook._let_go.wait(30)
                    return
                if webhook.refused < webhook.refuses:
                    webhook.refused += 1
                    self.send_response(503)
                    self.end_headers()
                    return
                webhook.keys.append(self.headers.get("Idempotency-Key", ""))
                webhook.got.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.place}/hook"
