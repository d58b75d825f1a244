"""What a connection may cost before there is a request, and how it ends."""

from __future__ import annotations

import io
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import psutil
import pytest

from service.http.connection import Connections, network
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from ssuformer.errors import TooManyConnections
from tests.service.conftest import small_settings
from tests.service.http.raw_client import GET, RawClient, post, service
from tests.service.test_load import SlowEngine


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    sizes = {"max_header_bytes": 20_000, "max_headers": 50}
    with service(None, header_seconds=1.0, idle_seconds=1.0, **sizes) as found:
        yield found


CHUNKED = post(b"", b"Transfer-Encoding: chunked", b"Connection: close").replace(
    b"Content-Length: 0\r\n", b""
)


def live(address: str) -> int:
    return httpx.get(f"{address}/livez", trust_env=False, timeout=5).status_code


TOO_MUCH = {
    "a megabyte in one header": GET + b"x: " + b"y" * 2**20 + b"\r\n\r\n",
    "24 MB of short headers": GET + b"x: y\r\n" * 4_000_000 + b"\r\n",
    "many headers": GET + b"x: y\r\n" * 60 + b"\r\n",
    "a long address": b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\n\r\n",
    "a header without an end": GET + b"x" * 2**22,
}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_headers_over_the_limit_get_431_and_take_no_memory(address: str, kind: str) -> None:
    before = psutil.Process().memory_info().rss
    client = RawClient(address)

    client.send_or_be_cut_off(TOO_MUCH[kind])

    assert client.problem() == (431, "headers_too_large")
    assert psutil.Process().memory_info().rss - before < 20e6
    assert live(address) == 200


def test_headers_up_to_the_limit_are_taken(address: str) -> None:
    close = b"Connection: close\r\n"
    client = RawClient(address, GET + close + b"x: y\r\n" * 47 + b"\r\n")
    long = RawClient(address, GET + close + b"x: " + b"y" * 19_000 + b"\r\n\r\n")

    assert client.read()[0] == long.read()[0] == 200


def test_trailers_are_limited_and_are_no_headers(address: str) -> None:
    client = RawClient(address, CHUNKED + b"1\r\nx\r\n0\r\n")

    client.send_or_be_cut_off(b"x: " + b"y" * 2**20 + b"\r\n\r\n")

    assert client.problem() == (431, "headers_too_large")


def test_small_chunks_of_a_long_body_are_no_headers(address: str, clip: bytes) -> None:
    pieces = (clip[at : at + 2] for at in range(0, len(clip), 2))
    chunks = b"".join(b"%x;x=yyyyyyy\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    client = RawClient(address, CHUNKED + chunks + b"0\r\n\r\n")

    assert client.read()[0] == 200


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"]
)
def test_what_is_not_http_is_a_problem(address: str, sent: bytes) -> None:
    assert RawClient(address, sent).problem() == (400, "request_malformed")


def test_half_a_request_gets_408_and_silence_is_closed(address: str) -> None:
    half = RawClient(address, GET)
    silent = RawClient(address)
    began = time.monotonic()

    assert half.problem() == (408, "request_too_slow")
    assert silent.read()[0] == 0
    assert time.monotonic() - began < 4


def test_headers_that_drip_are_no_excuse(address: str) -> None:
    client = RawClient(address)
    began = time.monotonic()

    while time.monotonic() - began < 3:
        client.send_or_be_cut_off(b"\r\n")
        time.sleep(0.2)

    assert client.ended_after() < 1


def test_after_an_answer_a_connection_may_not_stay_by_sending_line_ends(address: str) -> None:
    client = RawClient(address, GET + b"\r\n")
    began = time.monotonic()

    while time.monotonic() - began < 3.5:
        client.send_or_be_cut_off(b"\r\n")
        time.sleep(0.2)

    assert client.ended_after() < 1


def test_idle_connections_give_way_and_those_of_one_client_are_limited() -> None:
    with service(connections=20, client_connections=20) as address:
        idle = [RawClient(address, GET) for _ in range(60)]

        assert [live(address) for _ in range(3)] == [200] * 3
        for one in idle:
            one.close()
    with service(connections=100, client_connections=4) as address:
        held = [RawClient(address, GET) for _ in range(4)]
        time.sleep(0.2)

        assert RawClient(address, GET + b"\r\n").problem() == (429, "too_many_connections")
        for one in held:
            one.close()
        time.sleep(0.2)
        assert live(address) == 200


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a-socket", "a-socket"),
    ],
)
def test_a_client_is_an_address_or_a_network_that_one_client_may_have(
    host: str, counted: str
) -> None:
    assert network(host) == counted


EARLY: dict[str, tuple[dict[str, int], bytes, int]] = {
    "a body too long": ({"max_bytes": 1000}, b"/understand", 413),
    "no such route": ({}, b"/nowhere", 404),
    "a wrong option": ({}, b"/understand?fps=99", 422),
}


@pytest.mark.parametrize("kind", EARLY)
def test_a_refusal_arrives_although_the_body_was_not_read(kind: str) -> None:
    settings, target, status = EARLY[kind]
    body = b"x" * 5_000_000
    with service(None, **settings) as address:
        for _ in range(10):
            client = RawClient(address)
            client.send(post(body, b"Connection: close", target=target))
            assert client.read()[0] == status
        where, close = f"{address}{target.decode()}", {"Connection": "close"}
        answer = httpx.post(where, content=body, headers=close, trust_env=False)
        assert answer.status_code == status


def test_what_is_dropped_after_a_refusal_is_bounded() -> None:
    with service(max_bytes=1000) as address:
        client = RawClient(address, post(b"", b"x: y").replace(b"Length: 0", b"Length: 999999999"))
        stalled = client.ended_after()

        client = RawClient(address, post(b"").replace(b"Length: 0", b"Length: 999999999"))
        began = time.monotonic()
        client.send_or_be_cut_off(b"x" * 200_000_000)
        flooding = time.monotonic() - began

        client.close()

    assert stalled < 3
    assert flooding < 3


def test_a_post_that_wants_another_protocol_keeps_its_body(address: str, clip: bytes) -> None:
    wanted = (
        b"Connection: Upgrade, close",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    )

    for slices in (1, 7):
        client = RawClient(address)
        sent = post(clip, *wanted)
        for part in range(slices):
            client.send(sent[part * len(sent) // slices : (part + 1) * len(sent) // slices])
            time.sleep(0.01)
        assert client.read()[0] == 200


def test_a_client_that_only_stops_sending_gets_its_answer(address: str, clip: bytes) -> None:
    client = RawClient(address, post(clip))
    client.socket.shutdown(socket.SHUT_WR)

    _, _, rest = client.read()

    assert b"HTTP/1.1 200" in rest


def test_a_client_that_leaves_is_noticed_although_it_may_have_stopped_sending_only(
    clip: bytes,
) -> None:
    engine = SlowEngine()
    with service(engine) as address:
        client = RawClient(address, post(clip))
        wait_until(engine.busy.is_set)

        client.close()

        wait_until(engine.cancelled.is_set, seconds=4)


def test_a_client_that_does_not_read_its_answers_is_left() -> None:
    with service(transfer_seconds=1.0, transfer_rate=1e5) as address:
        client = RawClient(address, buffer=4096)
        asked = GET.replace(b"/livez", b"/openapi.json") + b"\r\n"
        client.send(asked * 400)
        time.sleep(5)

        assert connections(address) == 0
        client.close()


def test_requests_behind_each_other_are_answered_in_order(address: str, clip: bytes) -> None:
    sent = GET + b"\r\n" + post(clip) + GET.replace(b"/livez", b"/limits") + b"\r\n" + post(clip)
    many = (GET + b"\r\n") * 500 + GET + b"Connection: close\r\n\r\n"

    for step in (len(sent), 5_000, 701):
        client = RawClient(address)
        for at in range(0, len(sent), step):
            client.send(sent[at : at + step])
        client.send(many)
        _, _, rest = client.read()

        said = re.findall(rb'{"(status|clip|bytes)":', b"{" + rest.partition(b"{")[2])
        assert said == [b"status", b"clip", b"bytes", b"clip", *[b"status"] * 501]


def test_requests_behind_each_other_take_no_memory_and_keep_nobody_waiting(address: str) -> None:
    before = psutil.Process().memory_info().rss
    client = RawClient(address)
    client.socket.settimeout(3)

    with suppress(OSError):
        client.socket.sendall(b"GET /nowhere HTTP/1.1\r\n\r\n" * 500_000)

    assert live(address) == 200
    assert psutil.Process().memory_info().rss - before < 30e6
    client.close()


def test_a_client_that_leaves_is_noticed_although_its_next_requests_wait(clip: bytes) -> None:
    engine = SlowEngine()
    with service(engine) as address:
        client = RawClient(address, post(clip))
        wait_until(engine.busy.is_set)

        client.send((GET + b"\r\n") * 100)
        client.close()

        wait_until(engine.cancelled.is_set, seconds=10)


class Held:
    """A connection as those who count it see it."""

    def __init__(self, *, in_request: bool = False, refused: bool = False) -> None:
        self.in_request = in_request
        self.refused = refused
        self.transport = self
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_whoever_has_too_many_connections_drives_nobody_out() -> None:
    settings = small_settings(connections=4, client_connections=2)
    log = make_log("error", io.StringIO())
    connections = Connections(settings, Metrics(), log, port="http")
    idle, *many = (Held(), Held(in_request=True), Held(in_request=True))
    refused = Held()
    connections.enter(idle, "a")  # type: ignore[arg-type]

    for one in many:
        connections.enter(one, "b")  # type: ignore[arg-type]
    for one in (refused, Held()):
        with pytest.raises(TooManyConnections, match="one client"):
            connections.enter(one, "b")  # type: ignore[arg-type]
        one.refused = True
    connections.enter(Held(), "c")  # type: ignore[arg-type]

    assert refused.aborted
    assert not any(one.aborted for one in (idle, *many))


def test_the_end_of_an_answer_may_not_stay_unread_either(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def with_small_buffer(where: tuple[str, int]) -> socket.socket:
        listener = create(where)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listener

    monkeypatch.setattr(socket, "create_server", with_small_buffer)
    with service(transfer_seconds=1.0, transfer_rate=1e5, idle_seconds=1.0) as address:
        wanted = GET.replace(b"/livez", b"/openapi.json")
        clients = [RawClient(address, buffer=2304) for _ in range(2)]
        for client, more in zip(clients, (b"\r\n", b"Connection: close\r\n\r\n"), strict=True):
            client.send(wanted + more)
        time.sleep(0.3)
        assert connections(address) == 2

        wait_until(lambda: connections(address) == 0, seconds=6)

        for client in clients:
            client.close()


def connections(address: str) -> int:
    """Return how many connections of the service, in this process, to a client are open."""
    port = int(address.rpartition(":")[2])
    held = psutil.Process().net_connections("tcp")
    return sum(one.laddr.port == port and bool(one.raddr) for one in held)


def wait_until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


SEEDS = (
    GET + b"\r\n",
    post(b"x" * 300),
    post(b"x" * 300, b"Connection: Upgrade", b"Upgrade: h2c"),
    post(b"", b"Expect: 100-continue").replace(b"Length: 0", b"Length: 50"),
    CHUNKED + b"5\r\nabcde\r\n0\r\nx: y\r\n\r\n",
)
INSERTED = (b"\r\n", b"\0", b"Upgrade: x\r\n", b"Content-Length: 5\r\n", b"CONNECT ", b"\x80")


def damaged(chance: random.Random) -> bytes:
    """Return some requests in one piece, changed here and there."""
    data = bytearray(b"".join(chance.choices(SEEDS, k=chance.randint(1, 3))))
    for _ in range(chance.randint(0, 5)):
        at = chance.randrange(len(data))
        end = at + chance.choice((0, 0, 1, 25))
        data[at:end] = chance.choice(INSERTED)
    return bytes(data[: chance.choice((len(data), len(data), len(data) // 2))])


def test_whatever_is_sent_is_answered_or_closed_and_crashes_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(7)
    brief = {"header_seconds": 1.0, "idle_seconds": 1.0, "transfer_seconds": 1.0}
    with service(None, client_connections=500, **brief) as address:
        clients = []
        for number in range(200):
            client = RawClient(address)
            client.send_or_be_cut_off(damaged(chance))
            if number % 3 == 0:
                client.close()
            elif number % 3 == 1:
                with suppress(OSError):
                    client.socket.shutdown(socket.SHUT_WR)
            clients.append(client)
        wait_until(lambda: connections(address) == 0)

        assert live(address) == 200
        for client in clients:
            client.close()

    said = capfd.readouterr().err
    assert said.count('"event": "request"') > 50
    assert "Traceback" not in said
    assert '"status": 500' not in said
