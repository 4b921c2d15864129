"""What describes a service to machines and people: `/openapi.json` and `/docs`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from mlwright.serving.http import Request, Response, Route, encode_json
from mlwright.serving.openapi import openapi
from mlwright.serving.service import Served, Service


def routes(_: Service) -> Sequence[Route]:
    """Both of them; each is made once for a model."""
    return (
        Route(method="GET", path="/openapi.json", handler=_Document(), kind="open"),
        Route(method="GET", path="/docs", handler=_Page(), kind="open"),
    )


class _Document:
    """The OpenAPI document of the model that answers now."""

    def __init__(self) -> None:
        self._made: tuple[Served, Response] | None = None

    def __call__(self, _: Request, service: Service) -> Response:
        current, made = service.current, self._made
        if made is None or made[0] is not current:
            document = openapi(current, service.limits)
            made = self._made = (current, Response(encode_json(document)))
        return made[1]


class _Page:
    """A page that shows the document and lets one try a request; nothing of it comes from elsewhere."""

    def __init__(self) -> None:
        body = (Path(__file__).parent.parent / "pages" / "docs.html").read_bytes()
        script = body.partition(b"<script>")[2].partition(b"</script>")[0]
        digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
        policy = (
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = ((b"content-security-policy", policy.encode()), (b"x-content-type-options", b"nosniff"))
        self._response = Response(body, content_type=b"text/html; charset=utf-8", headers=headers)

    def __call__(self, *_: object) -> Response:
        return self._response
