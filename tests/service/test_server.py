import socket

import pytest

from service.server import address, serve
from ssuformer.errors import ConfigError
from tests.service.conftest import small_settings


@pytest.mark.parametrize(
    ("host", "shown"),
    [("::", "http://[::1]:8000"), ("0.0.0.0", "http://127.0.0.1:8000")],
)
def test_an_address_that_is_shown_can_be_opened(host: str, shown: str) -> None:
    assert address(host, 8000) == shown


def test_a_port_in_use_is_named_and_nothing_is_announced() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} .*--port"):
            serve(small_settings(), port=port, bound=lambda *where: said.extend(where))

    assert said == []


def test_a_host_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1"):
        serve(small_settings(), host="192.0.2.1", port=0)
