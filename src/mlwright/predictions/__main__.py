"""Seal a log's segments, as its writer asks on stdin: `python -m mlwright.predictions < request.json`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlwright.core import MlwrightError
from mlwright.predictions import expire, seal_segments


def main() -> int:
    """Seal, and sweep what is older than the retention; the counts go to stdout."""
    os.nice(10)  # whoever waits for an answer comes first
    asked = json.load(sys.stdin)
    try:
        sealed = seal_segments(Path(asked["segments"]), asked["destination"])
        said = {"sealed": asdict(sealed)}
        if asked["retention_s"] is not None:
            before = datetime.now(tz=UTC) - timedelta(seconds=asked["retention_s"])
            said["expired"] = asdict(expire(asked["destination"], before))
    except MlwrightError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
