"""`ssu serve`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from service.cli.arguments import AsJson


def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8000,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Port of /metrics; 0 takes a free one.", show_default="9464"
        ),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Model repository.", show_default="triton_repo")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Backend the models run on.", show_default="onnx")
    ] = None,
    triton: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Triton server (gRPC) to run the models on: engine triton."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads per inference.", show_default="all cores"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Clips processed at once.", show_default="2")
    ] = None,
    queue: Annotated[
        int | None, typer.Option(min=0, help="Queue limit in clips.", show_default="16")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default="info")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve over HTTP until Ctrl-C or SIGTERM.

    Everything else is set by environment variables that begin with `SSU_`, such as
    `SSU_MAX_SECONDS`; an option overrides its variable.

    **Examples**

    - `ssu serve`
    - `ssu serve --host 0.0.0.0 --port 8080 --models /models`
    - `ssu serve --triton 127.0.0.1:8001`
    - `SSU_DRAIN_SECONDS=0 ssu serve --port 0 --threads 1`
    - `ssu serve --port 0 --json | jq 'select(.event == "serving")'` adds where to its log
    """
    from service.cli.terminal import print_json
    from service.server import serve as serve_until_stopped
    from service.settings import settings_for
    from service.understanding.sandbox import layers, probe
    from ssuformer.errors import ConfigError
    from ssuformer.repository import open_repository, read_labels
    from ssuformer.terminal import console, told

    with told():
        settings = settings_for(
            models=models,
            metrics_port=metrics_port,
            engine=engine or (triton and "triton"),
            triton_address=triton,
            engine_threads=threads,
            workers=workers,
            queue_limit=queue,
            log_level=log_level,
        )
        if settings.sandbox == "required":
            layers.insist(probe.available())
        if settings.engine == "onnx":
            open_repository(settings.model_repository)
        if settings.engine == "triton":
            read_labels(settings.model_repository)
            if find_spec("tritonclient") is None:
                raise ConfigError("--triton needs tritonclient: pip install '.[triton]'")

        def say(web: str, metrics: str) -> None:
            if as_json:
                print_json({"event": "serving", "web": web, "metrics": f"{metrics}/metrics"})
            console(errors=True).print(
                f"serving on {web}, metrics on {metrics}/metrics", markup=False
            )

        serve_until_stopped(settings, host=host, port=port, bound=say)
