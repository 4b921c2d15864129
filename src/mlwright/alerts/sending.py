"""The process that sends one message: `python -m mlwright.alerts.sending`, asked and answering in JSON by its pipes.

A webhook (`http://`, `https://`) gets the alert as JSON with an `Idempotency-Key`; all other addresses are Apprise's.
What goes wrong is answered without the address.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

_KINDS: Final = {"info": "info", "warn": "warning", "page": "failure"}
_CODE = re.compile(r"error[=:\s]+(\d{3})\b")


class _NoRedirects(HTTPRedirectHandler):
    """A message is not handed on to another address than the one that was given."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send(url: str, message: Mapping[str, Any], *, timeout_s: float) -> str | None:
    """Send a message; what went wrong in words without the address, or None."""
    if urlsplit(url).scheme in {"http", "https"}:
        return _post(url, message, timeout_s)
    return _by_apprise(url, message)


def _post(url: str, message: Mapping[str, Any], timeout_s: float) -> str | None:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "Idempotency-Key": message["id"], "User-Agent": "mlwright"}
    if parts.username is not None:
        name, word = unquote(parts.username), unquote(parts.password or "")
        headers["Authorization"] = f"Basic {base64.b64encode(f'{name}:{word}'.encode()).decode()}"
        parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    request = Request(urlunsplit(parts), json.dumps(message).encode(), headers, method="POST")  # noqa: S310 - http by the line above
    try:
        with build_opener(_NoRedirects).open(request, timeout=timeout_s) as answer:
            answer.read(1)
    except HTTPError as error:
        return f"the webhook answered with HTTP {error.code}"
    except URLError as error:
        reason = error.reason
        return f"the webhook cannot be reached: {reason.strerror if isinstance(reason, OSError) else type(reason).__name__}"
    except (OSError, ValueError) as error:
        return f"the webhook cannot be reached: {type(error).__name__}"
    return None


def _by_apprise(url: str, message: Mapping[str, Any]) -> str | None:
    try:
        import apprise
    except ImportError:
        return "Apprise is not installed: pip install 'mlwright[alerts]'"
    service = apprise.Apprise()
    if not service.add(url):
        return "Apprise does not know this kind of URL, or it is not complete"
    capture: Any = apprise.LogCapture  # it has no types
    with capture(level=apprise.logging.INFO) as log:
        done = service.notify(
            title=message["title"], body=message["text"], notify_type=_KINDS[message["level"]], body_format="text"
        )
        said = log.getvalue()
    if done:
        return None
    code = _CODE.search(said)
    return "the service did not take the message" + (f" (HTTP {code[1]})" if code else "")


def main() -> None:
    """Read what to send, send it, say how it went."""
    asked = json.load(sys.stdin)
    try:
        problem = send(asked["url"], asked["message"], timeout_s=asked["timeout_s"])
    except Exception as error:  # whatever a service's library raises may have the address in its words
        problem = f"it could not be sent: {type(error).__name__}"
    json.dump({"problem": problem}, sys.stdout)


if __name__ == "__main__":
    main()
