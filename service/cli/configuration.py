"""Settings for a service that the command line starts or looks at."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from service.settings import Settings, refuse_unknown_variables
from ssuformer.errors import ConfigError


def settings_for(
    *, models: Path | None = None, engine: str | None = None, **others: object
) -> Settings:
    """Return the settings of the environment, with what was given (not None) put over them.

    Raises ConfigError naming each setting that is wrong.
    """
    refuse_unknown_variables()
    given = {"model_repository": models, "engine": engine, **others}
    try:
        return Settings.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"a setting is wrong: {'; '.join(wrong)}") from error
