"""`ssu triton`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.arguments import AsJson


def triton(
    *,
    models: Annotated[
        Path | None, typer.Option(help="Model repository.", show_default="triton_repo")
    ] = None,
    http_port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8010,
    grpc_port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8001,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="0 takes a free one.")
    ] = 8002,
    mode: Annotated[
        Literal["none", "poll", "explicit"],
        typer.Option(help="Model control: load once, watch the folder, or load on request too."),
    ] = "none",
    environment: Annotated[
        Path | None,
        typer.Option(
            envvar="SSU_TRITON_ENVIRONMENT",
            help="Environment made by scripts/triton-environment.",
            show_default=".venv-triton",
        ),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Append the server's log to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run NVIDIA's Triton server on the model repository, without a GPU, until Ctrl-C or SIGTERM.

    For development: the server is NVIDIA's, its onnxruntime backend is replaced by one in
    Python. The ports are Triton's defaults, except HTTP's 8000, which is used by `ssu serve`.

    **Examples**

    - `scripts/triton-environment && ssu triton`
    - `ssu triton --models /models --mode poll`
    - `ssu triton --http-port 0 --grpc-port 0 --metrics-port 0 --log triton.log`
    - `ssu triton --json | head -n 1 | jq -r .grpc` says where it is, for programs
    """
    import signal

    from service.cli.terminal import print_json
    from service.settings import settings_for
    from service.triton_server.launcher import Ports, inference_server
    from ssuformer.terminal import console, told

    out = console(errors=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        told(),
        inference_server(
            settings_for(models=models).model_repository,
            environment=environment,
            ports=Ports.free(http=http_port, grpc=grpc_port, metrics=metrics_port),
            mode=mode,
            log=log,
        ) as server,
    ):
        facts = {
            "grpc": server.grpc,
            "http": server.http,
            "metrics": server.metrics,
            "log": server.log,
            "models": ", ".join(server.names),
        }
        try:
            if as_json:
                print_json({name: str(fact) for name, fact in facts.items()})
            for name, fact in facts.items():
                out.print(f"{name:<8} {fact}", markup=False)
            server.wait()
        except KeyboardInterrupt:
            out.print("stopping")
