"""The service keeps to its own OpenAPI document, asked with requests that schemathesis makes from it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.serving.servers import Running


@pytest.mark.api
def test_requests_made_from_the_document_are_answered_as_it_says(server: Running) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed (the extra `api`)")
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
        "response_schema_conformance,unsupported_method,positive_data_acceptance"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
            *("--checks", checks, "--max-examples", "60", "--seed", "1", "--no-color"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
