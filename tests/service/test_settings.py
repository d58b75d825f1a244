"""What is set from outside is read, or refused by its name."""

from __future__ import annotations

import re

import pytest

from service.settings import Settings, settings_for, unknown_variables
from ssuformer.errors import ConfigError


def test_a_misspelt_setting_is_refused_with_the_near_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSU_WROKERS", "3")

    with pytest.raises(ConfigError, match="SSU_WROKERS is not a setting; did you mean SSU_WORKERS"):
        settings_for()


def test_a_wrong_value_is_told_with_the_variable_and_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSU_QUEUE_LIMIT", "many")

    with pytest.raises(ConfigError, match=re.escape("SSU_QUEUE_LIMIT is 'many': ")):
        settings_for()


def test_every_setting_is_known_and_so_is_what_scripts_read() -> None:
    names = {f"SSU_{name.upper()}": "" for name in Settings.model_fields}

    assert list(unknown_variables(names | {"SSU_VENV": "", "SSU_KEY": "", "HOME": "/"})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSU_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("SSU_GATEWAY_SERVICE_PORT_HTTP", "8000"),
        ("SSU_TRITON_PORT", "tcp://10.0.0.2:8001"),
        ("SSU_TRITON_PORT_8001_TCP_ADDR", "10.0.0.2"),
    ],
)
def test_what_kubernetes_sets_for_a_service_is_let_pass(name: str, value: str) -> None:
    assert list(unknown_variables({name: value})) == []


def test_a_misspelt_port_is_no_service() -> None:
    assert list(unknown_variables({"SSU_METRIC_PORT": "9464"})) == ["SSU_METRIC_PORT"]
