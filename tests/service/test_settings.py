import pytest

from service.cli.configuration import settings_for
from service.settings import NOT_SETTINGS
from ssuformer.errors import ConfigError


def test_a_misspelt_setting_is_refused_with_the_near_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSU_WROKERS", "3")

    with pytest.raises(ConfigError, match=r"SSU_WROKERS is no setting; did you mean SSU_WORKERS\?"):
        settings_for()


@pytest.mark.parametrize("variable", sorted(NOT_SETTINGS))
def test_the_variables_of_scripts_and_tests_are_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "something")

    settings_for()
