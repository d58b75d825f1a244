"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Option(
        envvar="SSU_URL",
        help="URL of a running service. Without it a temporary one is started.",
    ),
]
Key = Annotated[str | None, typer.Option(envvar="SSU_KEY", help="Bearer key of that service.")]
ModelFolder = Annotated[
    Path | None,
    typer.Option(help="Model repository for a service started here.", show_default="triton_repo"),
]
EngineName = Annotated[
    str | None, typer.Option(help="Backend for a service started here.", show_default="onnx")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Fps = Annotated[
    float | None, typer.Option(help="Frames to analyse per second.", show_default="as trained")
]
MinScore = Annotated[
    float | None, typer.Option(help="Leave out regions with a lower score, 0 to 1.")
]
Start = Annotated[float | None, typer.Option(help="Start time in seconds.")]
End = Annotated[float | None, typer.Option(help="End time in seconds.")]
Captions = Annotated[bool, typer.Option(help="Describe the regions.")]
Overlay = Annotated[bool, typer.Option(help="Write the film with its masks.")]
Sheet = Annotated[bool, typer.Option(help="Write the contact sheet.")]
