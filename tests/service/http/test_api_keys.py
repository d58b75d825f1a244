from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from service.http.api_keys import OPEN
from ssuformer.errors import ConfigError
from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text("first\n\n  second  \n")
    return file


@pytest.fixture
async def closed(keys: Path) -> AsyncIterator[Running]:
    async with run(small_settings(keys_file=keys)) as started:
        yield started


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Yield every method and path, those of included routers too."""
    for route in routes:
        if isinstance(route, Route | APIRoute):
            yield from ((method, route.path) for method in route.methods or ())
        else:
            yield from routes_of(route.original_router.routes)  # type: ignore[attr-defined]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_every_route_but_health_documentation_and_page_is_closed_without_a_key(
    closed: Running,
) -> None:
    routes = list(routes_of(closed.app.routes))
    documentation = {"/openapi.json", "/docs", "/docs/start.js", "/docs/{name}"}
    page = {"/", "/page/facts.json", "/page/samples/{name}", "/page/{name}"}
    open_paths = OPEN | documentation | page

    for method, path in routes:
        status = (await closed.client.request(method, path)).status_code
        assert (status == 401) == (path not in open_paths), (method, path, status)
    assert {path for _, path in routes} > open_paths
    assert {path for _, path in routes} >= {"/understand", "/limits", "/models"}


async def test_a_path_that_does_not_exist_is_closed_too(closed: Running) -> None:
    assert (await closed.client.get("/nothing")).status_code == 401


async def test_each_key_of_the_file_opens(closed: Running, clip: bytes) -> None:
    for key in ("first", "second"):
        answer = await closed.client.post("/understand", content=clip, headers=bearer(key))
        assert answer.status_code == 200


@pytest.mark.parametrize("given", ["Bearer third", "Bearer ", "Basic first", "first", "Bearer é"])
async def test_anything_else_is_a_problem_that_says_what_is_wanted(
    closed: Running, given: str
) -> None:
    answer = await closed.client.get("/limits", headers={b"Authorization": given.encode()})

    assert (answer.status_code, answer.json()["code"]) == (401, "key_refused")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert closed.metric("ssu_input_rejected_total", code="key_refused") == 1


async def test_keys_are_changed_without_a_restart(closed: Running, keys: Path) -> None:
    assert (await closed.client.get("/limits", headers=bearer("first"))).status_code == 200

    fresh = keys.with_name("fresh")
    fresh.write_text("third\n")
    fresh.replace(keys)

    assert (await closed.client.get("/limits", headers=bearer("first"))).status_code == 401
    assert (await closed.client.get("/limits", headers=bearer("third"))).status_code == 200


async def test_while_the_file_is_away_the_keys_before_hold(closed: Running, keys: Path) -> None:
    keys.unlink()

    assert (await closed.client.get("/limits", headers=bearer("first"))).status_code == 200


async def test_an_emptied_file_revokes_all_keys_and_the_log_says_so_once(
    closed: Running, keys: Path
) -> None:
    keys.write_text("\n  \n")

    for key in ("first", "second", ""):
        assert (await closed.client.get("/limits", headers=bearer(key))).status_code == 401

    said = [line for line in closed.lines if line["event"] == "no_key_in_file"]
    assert [(line["level"], line["revoked"]) for line in said] == [("warning", 2)]

    keys.write_text("third\n")

    assert (await closed.client.get("/limits", headers=bearer("third"))).status_code == 200


async def test_a_line_that_cannot_be_read_is_no_key_and_is_not_shown(
    closed: Running, keys: Path
) -> None:
    keys.write_text("first\nsecret colour=red\n")

    for key, status in (("first", 200), ("secret", 401)):
        assert (await closed.client.get("/limits", headers=bearer(key))).status_code == status
    assert [line["line"] for line in closed.lines if line["event"] == "key_line_invalid"] == [2]
    assert "secret" not in closed.written.getvalue()


@pytest.mark.parametrize("line", ["secret colour=red", "first secret", "name=me c2VjcmV0secret=="])
async def test_what_follows_a_key_and_cannot_be_read_is_not_shown_as_it_may_be_a_key(
    line: str, keys: Path
) -> None:
    keys.write_text(f"first\n{line}\n")

    with pytest.raises(ConfigError, match=r"line 2: .*clips_per_minute") as error:
        async with run(small_settings(keys_file=keys)):
            pytest.fail("it may not start")
    assert "secret" not in str(error.value)


async def test_a_key_has_a_name_in_the_log_and_the_metrics(keys: Path, clip: bytes) -> None:
    keys.write_text("first name=anna\nsecond\n")
    async with run(small_settings(keys_file=keys)) as closed:
        for key in ("first", "second"):
            await closed.client.post("/understand", content=clip, headers=bearer(key))

        anna, other = [line["key"] for line in closed.lines if line["event"] == "request"]
        assert anna == "anna"
        assert other.startswith("key-")
        assert closed.metric("ssu_key_clips_total", key="anna", outcome="answered") == 1
        assert closed.metric("ssu_key_seconds_total", key="anna") > 0


async def test_a_key_over_its_rate_or_quota_is_told_when_to_come_again(
    keys: Path, clip: bytes
) -> None:
    keys.write_text("first clips_per_minute=2\nsecond\nthird seconds_per_day=0.0001\n")
    async with run(small_settings(keys_file=keys, key_clips_per_minute=3)) as closed:

        async def statuses(key: str) -> list[int]:
            send = partial(closed.client.post, "/understand", content=clip, headers=bearer(key))
            return [(await send()).status_code for _ in range(4)]

        assert await statuses("first") == [200, 200, 429, 429]
        assert await statuses("second") == [200, 200, 200, 429]
        assert await statuses("third") == [200, 429, 429, 429]
        refused = await closed.client.post("/understand", content=b"", headers=bearer("first"))
        assert refused.json()["code"] == "rate_exceeded"
        assert 15 <= int(refused.headers["retry-after"]) <= 30
        assert closed.metric("ssu_admission_rejected_total", reason="quota") == 3
        assert closed.lines[-1]["outcome"] == "refused"


async def test_a_file_without_a_key_is_a_wrong_setting(tmp_path: Path) -> None:
    empty = tmp_path / "keys"
    empty.write_text("\n")

    with pytest.raises(ConfigError, match="holds no key"):
        async with run(small_settings(keys_file=empty)):
            pytest.fail("it may not start")
