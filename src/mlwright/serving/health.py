"""`python -m mlwright.serving.health`: exits 0 if the service in this container takes requests, 1 if not; for `HEALTHCHECK`."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

from mlwright.serving.platforms import placement

_PATIENCE_S = 2.0


def takes_requests(port: int) -> bool:
    """Whether `/readyz` on this machine says so."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if takes_requests(placement(os.environ).port) else 1)
