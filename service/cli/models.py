"""`ssu models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.cli.arguments import AsJson, EngineName, Key, ModelFolder, Url

if TYPE_CHECKING:
    from service.settings import Settings
    from service.understanding.schemas import LoadedModel

    FoundModels = tuple[list[LoadedModel], dict[str, int]]


def show_models(
    *,
    url: Url = None,
    key: Key = None,
    models: ModelFolder = None,
    engine: EngineName = None,
    as_json: AsJson = False,
) -> None:
    """Show the models: version, digest, size, thresholds and measured quality.

    With `--url`, the models a service has loaded; without it, those of the local repository.

    **Examples**

    - `ssu models`
    - `ssu models --models /models`
    - `ssu models --url http://127.0.0.1:8000`
    - `ssu models --json | jq '.models[].metrics'`
    """
    from service.cli.tables import models_table
    from service.cli.terminal import print_json
    from service.settings import settings_for
    from ssuformer.terminal import console, told

    with told():
        if url is None:
            found, sizes = _local(settings_for(models=models, engine=engine))
        else:
            found, sizes = _remote(url, key), {}
    if as_json:
        told_models = [model.model_dump(mode="json") for model in found]
        print_json({"models": told_models, "bytes": sizes})
    else:
        console().print(models_table(found, sizes))


def _remote(url: str, key: str | None) -> list[LoadedModel]:
    """Return what a service has loaded; file sizes are not known here."""
    from pydantic import ValidationError

    from service.understanding.schemas import Models
    from ssu.calls import Call
    from ssu.client import Client
    from ssu.errors import AnswerUnknown

    with Client(url, key=key) as client:
        body = client.ask(Call("GET", "/models"))
    try:
        return Models.model_validate_json(body).models
    except ValidationError as error:
        raise AnswerUnknown(f"the answer does not match the expected schema: {error}") from error


def _local(settings: Settings) -> FoundModels:
    """Return the contents of the repository, with the size of each file in bytes."""
    from service.gateway import load_engine
    from service.understanding.schemas import LoadedModel
    from ssuformer.repository import open_repository

    sizes: dict[str, int] = {}
    if settings.engine == "fake":
        facts = load_engine(settings).facts
        manifest, digest = facts.manifest, facts.digest
    else:
        files = open_repository(settings.model_repository)
        manifest, digest = files.manifest, files.digest
        sizes = {str(file): file.stat().st_size for file in (files.segmentation, files.caption)}
    return [LoadedModel.of(manifest, digest=digest, device="not loaded")], sizes
