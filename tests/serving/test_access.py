from __future__ import annotations

import json
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import get_args

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.made import made
from tests.serving.servers import Running, eventually, running
from tests.serving.versions import records, two_versions

from mlwright.cli import main
from mlwright.models import Scorer
from mlwright.serving.access import (
    AccessControl,
    AccessSettings,
    ProxyUnfit,
    ServiceExposed,
    TrustedProxy,
    access_control,
    is_loopback,
)
from mlwright.serving.http import HttpProblem, Kind, Request, Response, Route
from mlwright.serving.keys import KeyFileUnfit, KeyNameUnfit, KeyRing, add_key, read_keys, revoke_key
from mlwright.serving.protocols import PROTOCOLS
from mlwright.serving.protocols.admin import routes as admin_routes
from mlwright.serving.service import Served, Service
from mlwright.serving.tls import CertificateUnfit, check_certificate

# ---------------------------------------------------------------------------------------------------------------- keys


def test_a_file_of_keys_has_no_key_in_it_and_nobody_else_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "mlwright.keys"
    key, other = add_key(file, "shop"), add_key(file, "ops", scope="admin")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_text()
    assert key not in written
    assert key.rpartition("_")[2] not in written
    assert [(stored.name, stored.scope) for stored in read_keys(file)] == [("shop", "score"), ("ops", "admin")]
    ring = KeyRing(file)
    found = ring.key_of(key.encode())
    assert found is not None
    assert found.name == "shop"
    assert ring.scopes() == {"score", "admin"}
    revoke_key(file, "ops")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KeyRing(file).key_of(other.encode()) is None


@given(given=st.binary(max_size=80) | st.from_regex(rb"mlw_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_what_was_not_made_here_is_no_key(given: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "law.keys"
    if not file.exists():
        add_key(file, "shop")
    assert KeyRing(file).key_of(given) is None


def test_the_right_id_with_another_secret_is_no_key(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "shop")
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert KeyRing(tmp_path / "keys").key_of(wrong.encode()) is None


def test_a_ring_learns_of_new_and_revoked_keys_within_a_second(tmp_path: Path) -> None:
    file, now = tmp_path / "keys", [0.0]
    first = add_key(file, "a")
    ring = KeyRing(file, clock=lambda: now[0])
    second = add_key(file, "b")
    now[0] = 1.0
    assert ring.key_of(second.encode()) is not None
    revoke_key(file, "a")
    now[0] = 2.0
    assert ring.key_of(first.encode()) is None
    assert ring.key_of(second.encode()) is not None


def test_a_slip_in_the_file_leaves_the_keys_that_were_good_and_a_file_that_is_gone_takes_them_along(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, now = tmp_path / "keys", [0.0]
    key = add_key(file, "a").encode()
    ring = KeyRing(file, clock=lambda: now[0])
    file.write_text("{")
    now[0] = 1.0
    assert ring.key_of(key) is not None
    assert "the old ones stay" in caplog.text
    file.unlink()
    now[0] = 2.0
    assert ring.key_of(key) is None
    assert "no key is good" in caplog.text


def test_names_of_keys_are_said_to_be_taken_unknown_or_unfit(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    add_key(file, "shop")
    with pytest.raises(KeyNameUnfit, match="already"):
        add_key(file, "shop")
    with pytest.raises(KeyNameUnfit, match="did you mean 'shop'"):
        revoke_key(file, "shpo")
    with pytest.raises(KeyNameUnfit, match="letters"):
        add_key(file, "a\nb")
    assert len(read_keys(file)) == 1


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format_version": 1}', '{"format_version": 9, "keys": []}', "\udcff"]
)
def test_what_is_no_file_of_keys_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(KeyFileUnfit):
        KeyRing(tmp_path / "keys")


def test_a_file_that_is_missing_or_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with pytest.raises(KeyFileUnfit, match="mlwright keys add"):
        KeyRing(file)
    add_key(file, "shop")
    file.chmod(0o620)
    with pytest.raises(KeyFileUnfit, match="others may write"):
        KeyRing(file)


def test_two_commands_at_once_lose_no_key(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from mlwright.serving.keys import add_key\n"
    code += "for i in range(5): add_key(Path('keys'), f'{sys.argv[1]}{i}')"
    both = [subprocess.Popen([sys.executable, "-c", code, name], cwd=tmp_path) for name in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    assert {key.name for key in read_keys(tmp_path / "keys")} == {f"{name}{i}" for name in "ab" for i in range(5)}


# --------------------------------------------------------------------------------------------------------- who may call


def nothing(request: Request, service: object) -> Response:
    return Response()


ROUTES = {kind: Route(method="POST", path="/x", handler=nothing, kind=kind) for kind in get_args(Kind)}


def verdict(control: AccessControl, kind: str, headers: dict[str, str], client: str = "10.1.1.1") -> int:
    """The status of a refusal; 200 if it passes."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    try:
        control(ROUTES[kind], Request("POST", "/x", raw_headers=raw, client=(client, 5000)))
    except HttpProblem as problem:
        # A refusal for want of a key is only one with its challenge.
        return problem.status if problem.status != 401 or dict(problem.headers)[b"www-authenticate"] else 0
    return 200


def test_a_key_is_for_answers_or_for_admin_calls_and_health_is_for_everybody(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    shown = {"": {}, "score": {"x-api-key": add_key(file, "s")}}
    shown["admin"] = {"authorization": f"Bearer {add_key(file, 'a', scope='admin')}"}
    shown["wrong"] = {"authorization": "Bearer mlw_0"}
    shown["other kind"] = {"authorization": "Basic YTpi"}
    control = AccessControl(keys=KeyRing(file))
    found = {kind: [verdict(control, kind, headers) for headers in shown.values()] for kind in ROUTES}
    assert found == {
        "open": [200, 200, 200, 200, 200],
        "scoring": [401, 200, 403, 401, 401],
        "admin": [401, 403, 200, 401, 401],
    }


def test_the_name_of_the_scheme_may_be_written_in_any_case(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "s")
    control = AccessControl(keys=KeyRing(tmp_path / "keys"))
    assert verdict(control, "scoring", {"authorization": f"bearer  {key} "}) == 200


def test_admin_calls_want_a_key_even_where_answers_do_not(tmp_path: Path) -> None:
    assert verdict(AccessControl(), "scoring", {}) == 200
    assert verdict(AccessControl(), "admin", {}) == 403
    add_key(tmp_path / "keys", "only scoring".replace(" ", "-"))
    assert verdict(AccessControl(keys=KeyRing(tmp_path / "keys")), "admin", {}) == 403


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("10.1.1.1", {"x-user": "ann"}, 200),
        ("::ffff:10.1.1.1", {"x-user": "ann"}, 200),
        ("10.1.1.1", {"x-user": " "}, 401),
        ("10.1.1.1", {}, 401),
        ("10.2.1.1", {"x-user": "ann"}, 401),
        ("10.2.1.1", {"x-user": "ann", "x-forwarded-for": "10.1.1.1"}, 401),
        ("not an address", {"x-user": "ann"}, 401),
    ],
)
def test_a_header_counts_only_from_the_proxy(client: str, headers: dict[str, str], status: int) -> None:
    control = AccessControl(proxy=TrustedProxy("X-User", ["10.1.0.0/16"]))
    assert verdict(control, "scoring", headers, client) == status
    assert verdict(control, "admin", headers, client) == 403


def test_a_proxy_and_keys_may_stand_side_by_side(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys", "s")
    control = AccessControl(keys=KeyRing(tmp_path / "keys"), proxy=TrustedProxy("X-User", ["10.1.0.1"]))
    assert verdict(control, "scoring", {"x-user": "ann"}, "10.1.0.1") == 200
    assert verdict(control, "scoring", {"x-user": "ann"}, "10.1.0.2") == 401
    assert verdict(control, "scoring", {"x-api-key": key}, "10.1.0.2") == 200


@pytest.mark.parametrize(
    ("header", "addresses"),
    [("X-User", []), ("X-User", ["proxy.local"]), ("X-User", ["10.0.0.1/8"]), ("X User", ["::1"]), ("Host", ["::1"])],
)
def test_a_proxy_that_anybody_could_play_is_refused(header: str, addresses: list[str]) -> None:
    with pytest.raises(ProxyUnfit):
        TrustedProxy(header, addresses)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "no.such.host.invalid"])
def test_beyond_this_machine_nobody_is_answered_without_a_key_or_a_proxy(host: str, tmp_path: Path) -> None:
    assert not is_loopback(host)
    with pytest.raises(ServiceExposed, match="mlwright keys add"):
        access_control(AccessSettings(), host=host)
    file = tmp_path / "keys"
    add_key(file, "shop")
    access_control(AccessSettings(keys=str(file)), host=host)
    access_control(AccessSettings(proxy_header="X-User", proxy_from=("10.0.0.7",)), host=host)
    access_control(AccessSettings(anybody=True), host=host)
    revoke_key(file, "shop")
    with pytest.raises(ServiceExposed, match="has no key"):
        access_control(AccessSettings(keys=str(file)), host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_this_machine_everybody_is_answered(host: str) -> None:
    assert verdict(access_control(AccessSettings(), host=host), "scoring", {}) == 200


def test_addresses_of_proxies_without_their_header_are_refused() -> None:
    with pytest.raises(ProxyUnfit):
        access_control(AccessSettings(proxy_from=("10.0.0.7",)))


# --------------------------------------------------------------------------------------------------------- a real server


class Guarded:
    """A server with a key of each kind."""

    def __init__(self, server: Running, folder: Path, score: str, admin: str) -> None:
        self.server, self.folder, self.score, self.admin = server, folder, score, admin

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        return self.server.client.request(method, path, content=body, headers=headers)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    two_versions(folder)
    score, admin = add_key(folder / "keys", "shop"), add_key(folder / "keys", "ops", scope="admin")
    with running(folder / "current", "--host", "0.0.0.0", "--keys", str(folder / "keys")) as server:
        yield Guarded(server, folder, score, admin)


def test_a_server_asks_for_a_key_and_never_says_it_back(guarded: Guarded) -> None:
    record, kind = records()[0], {"content-type": "application/json"}
    refused = guarded.ask("POST", "/predict", record, kind)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    wrong = guarded.ask("POST", "/predict", record, kind | {"authorization": "Bearer of-bad-news"})
    assert wrong.status_code == 401
    assert b"of-bad-news" not in wrong.content
    assert guarded.ask("POST", "/predict", record, kind | {"x-api-key": guarded.score}).status_code == 200
    assert guarded.ask("POST", "/predict", record, kind | {"x-api-key": guarded.admin}).status_code == 403
    assert guarded.ask("POST", "/admin/reload", b"", {"x-api-key": guarded.score}).status_code == 403
    assert guarded.ask("GET", "/readyz").status_code == 200
    assert guarded.score not in "".join(guarded.server.said)


def test_a_key_that_is_revoked_is_refused_while_the_server_runs(guarded: Guarded) -> None:
    headers = {"content-type": "application/json", "x-api-key": add_key(guarded.folder / "keys", "guest")}

    def status() -> int:
        return guarded.ask("POST", "/predict", records()[0], headers).status_code

    eventually(lambda: status() == 200, seconds=5)
    revoke_key(guarded.folder / "keys", "guest")
    eventually(lambda: status() == 401, seconds=5)


def test_no_request_reaches_a_folder(guarded: Guarded) -> None:
    """Every route with a place in its path, whatever stands in that place."""
    secret = guarded.folder / "secret.json"
    secret.write_text('{"word": "swordfish"}')
    paths = {route.path for name in PROTOCOLS for route in PROTOCOLS[name](_any_service()) if "{" in route.path}
    assert len(paths) > 0
    tricks = [
        "..",
        "../secret.json",
        "%2e%2e%2fsecret.json",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "v1%00",
        "v2",
    ]
    tricks += [str(secret).lstrip("/"), str(secret).replace("/", "%2f"), "%5c..%5csecret.json", "{name}", "{{7*7}}"]
    connection = HTTPConnection("127.0.0.1", guarded.server.port, timeout=30)
    for path in sorted(paths):
        for trick in tricks:
            made_up = "/".join(trick if part.startswith("{") else part for part in path.split("/"))
            for method in ("GET", "POST"):
                # A client that sends the path as it is; httpx would put it in order.
                connection.request(method, made_up, b"{}", {"x-api-key": guarded.score})
                reply = connection.getresponse()
                body = reply.read()
                assert 400 <= reply.status < 500, (method, made_up, body)
                assert b"swordfish" not in body
                assert b"root:" not in body
                assert str(guarded.folder).encode() not in body
    connection.close()


@pytest.mark.parametrize(
    "name",
    [
        "../v1",
        "..",
        ".",
        "",
        "/etc",
        "v1/../../x",
        "v1/..",
        ".hidden",
        "v1\0",
        "v 1",
        "current/../../",
        "v1/",
        "outside",
    ],
)
def test_another_version_is_named_beside_the_pointer_only(name: str, guarded: Guarded) -> None:
    outside = guarded.folder / "outside"
    if not outside.is_symlink():
        outside.symlink_to("/tmp")
    body = json.dumps({"package": name}).encode()
    reply = guarded.ask("POST", "/admin/reload", body, {"x-api-key": guarded.admin})
    assert reply.status_code == 404
    assert str(guarded.folder).encode() not in reply.content


def _any_service() -> Service:
    """What routes are made from."""
    return Service(Served(scorer=Scorer(made("binary").model), name="model"))


def test_the_admin_protocol_has_admin_routes_only() -> None:
    assert {route.kind for route in admin_routes(_any_service())} == {"admin"}


def test_a_server_that_anybody_could_reach_does_not_begin(tmp_path: Path) -> None:
    two_versions(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mlwright", "serve", str(tmp_path / "v1"), "--host", "0.0.0.0", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "mlwright keys add" in done.stderr
    assert "--proxy-header" in done.stderr


# ------------------------------------------------------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    try:
        subprocess.run(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {key} -out {certificate}"
            " -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split(),
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return certificate, key


def test_https_is_spoken_with_the_certificate(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    two_versions(tmp_path)
    with running(tmp_path / "v1", "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])) as server:
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        request = urllib.request.Request(
            f"https://127.0.0.1:{server.port}/predict", records()[0], {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, context=trusting, timeout=30) as reply:
            assert reply.status == 200
            assert "prediction" in json.load(reply)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(request, timeout=30)


def test_files_that_are_no_certificate_with_its_key_are_refused(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    check_certificate(None, None)
    check_certificate(str(certificate[0]), str(certificate[1]))
    (tmp_path / "empty.pem").touch()
    for pair in (
        (str(certificate[0]), None),
        (str(certificate[0]), str(certificate[0])),
        (str(certificate[0]), str(tmp_path / "absent.pem")),
        (str(tmp_path / "empty.pem"), str(certificate[1])),
    ):
        with pytest.raises(CertificateUnfit):
            check_certificate(*pair)


# ------------------------------------------------------------------------------------------------------------- commands


def test_keys_are_added_listed_and_revoked_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def keys(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["keys", *arguments])
        return stop.value.code, *capsys.readouterr()

    _, out, err = keys("add", "shop")
    key = out.strip()
    assert KeyRing(Path("mlwright.keys")).key_of(key.encode()) is not None
    assert "keep it" in err
    assert json.loads(keys("add", "ops", "--admin", "--json")[1])["scope"] == "admin"
    listed = keys("list")[1]
    assert "shop" in listed
    assert key not in listed
    assert {entry["name"] for entry in json.loads(keys("list", "--json")[1])} == {"shop", "ops"}
    assert keys("revoke", "shop", "--dry-run")[0] == 0
    assert len(read_keys(Path("mlwright.keys"))) == 2
    assert keys("revoke", "shop")[0] == 0
    assert [entry.name for entry in read_keys(Path("mlwright.keys"))] == ["ops"]
    code, _, err = keys("revoke", "shop")
    assert code == 2
    assert "no key 'shop'" in err
