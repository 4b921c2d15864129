"""The words that all protocols share: a request, a response, a problem that becomes one, and a route.

They are plain classes with slots; a request costs a microsecond before its handler begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl

import msgspec

#: Names in lower case, as servers hand them over.
Headers: TypeAlias = "Sequence[tuple[bytes, bytes]]"

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
encode_json = msgspec.json.Encoder().encode


class Request:
    """What a client asks.

    Attributes
    ----------
    path
        Decoded, without the query.
    raw_query
        What stands behind the question mark, as it was sent.
    raw_headers
        In the order in which they were sent, names in lower case.
    body
        Whole; empty while access is judged, which comes before the body is read.
    client
        Address and port of the other end, if the server knows them.
    """

    __slots__ = ("body", "client", "method", "path", "raw_headers", "raw_query")

    def __init__(
        self,
        method: str,
        path: str,
        raw_query: bytes = b"",
        raw_headers: Headers = (),
        body: bytes = b"",
        client: tuple[str, int] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.raw_query = raw_query
        self.raw_headers = raw_headers
        self.body = body
        self.client = client

    def header(self, name: bytes) -> bytes | None:
        """The first header of a name in lower case; None if there is none."""
        for given, value in self.raw_headers:
            if given == name:
                return value
        return None

    def content_type(self) -> bytes:
        """The media type of the body in lower case, without its parameters; empty if it is not said."""
        return (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()

    def query(self) -> dict[str, str]:
        """The fields of the query; of one that comes twice, the last.

        Raises
        ------
        HttpProblem
            400 if there are too many.
        """
        try:
            pairs = parse_qsl(self.raw_query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
        except ValueError as error:
            raise HttpProblem(400, "the query has too many fields") from error
        return dict(pairs)


class Response:
    """What is answered; the length is added when it is sent."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, body: bytes = b"", *, status: int = 200, content_type: bytes = JSON, headers: Headers = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers

    @classmethod
    def of(cls, value: Any, *, status: int = 200, headers: Headers = ()) -> Response:
        """A value as JSON."""
        return cls(encode_json(value), status=status, headers=headers)


class HttpProblem(Exception):
    """A request that is not answered; becomes a response in the form of the protocol that it came by.

    Parameters
    ----------
    message
        One sentence, without any value that was sent.
    field
        The field that it is about.
    record
        The record that it is about, counted from 0, where several were sent.
    fix
        What to send instead.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        record: int | None = None,
        fix: str | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.record = record
        self.fix = fix
        self.headers = headers

    def sentence(self) -> str:
        """All of it in one line, for protocols whose errors are a text."""
        where = "" if self.record is None else f"record {self.record}, counted from 0: "
        return f"{where}{self.message}{f'; {self.fix}' if self.fix else ''}"


def problem_response(problem: HttpProblem) -> Response:
    """The form of our own endpoints: `{"error": {"message": …, "field": …, "record": …, "fix": …}}`."""
    said = {"message": problem.message, "field": problem.field, "record": problem.record, "fix": problem.fix}
    error = {name: value for name, value in said.items() if value is not None}
    return Response.of({"error": error}, status=problem.status, headers=problem.headers)


#: Called with the request, the service, and what stands in the places of the path.
Handler: TypeAlias = "Callable[..., Response]"
#: How a protocol says that something is wrong.
Form: TypeAlias = "Callable[[HttpProblem], Response]"
#: What a route does: answers records, changes the service, or is there for everybody (health, documentation).
Kind = Literal["scoring", "admin", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    Attributes
    ----------
    path
        With names in braces for whole segments: `/v2/models/{name}/infer`.
    handler
        A plain function: `handler(request, service, **places)`. It runs in the event loop, so it must be quick. It is
        called a second time, on the scoring thread, if `Service.answer` finds too many rows for the loop; so nothing
        may have happened before. Handlers of `admin` routes always run on a thread of their own and may take their time.
    kind
        Who may call it depends on this.
    content_types
        Media types that the body may have; a body without a type is taken. Empty: the handler decides.
    problem
        How the protocol says that something is wrong.
    takes_over
        Stands in the place of another protocol's route with the same method and path, since a platform asks for it there.
    """

    method: str
    path: str
    handler: Handler
    kind: Kind = "scoring"
    content_types: frozenset[bytes] = frozenset()
    problem: Form = problem_response
    takes_over: bool = False
