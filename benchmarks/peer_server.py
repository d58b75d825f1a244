"""LitServe around the engines of a model repository: worker processes of one thread each.

Without isolation of what decodes, without tracks. `python -m benchmarks.peer` starts it.

python -m benchmarks.peer_server triton_repo --port 8000 --workers 2
"""

from pathlib import Path
from typing import Any

import litserve
import typer

from benchmarks.plain import Frames, Plain


class ClipApi(litserve.LitAPI):
    """Takes a clip as multipart field `file` and returns its regions."""

    def __init__(self, models: Path) -> None:
        super().__init__(api_path="/understand")
        self._models = models

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the engines in a worker."""
        self._plain = Plain(self._models)

    # LitServe looks at this annotation: a Request is read as a form before it comes here.
    def decode_request(self, request: litserve.Request) -> bytes:
        """Return the clip of a request."""
        form: Any = request
        clip: bytes = form["file"].file.read()
        return clip

    def predict(self, clip: bytes) -> Frames:
        """Return the regions of every second of the clip."""
        return self._plain.answer(clip)

    def encode_response(self, frames: Frames) -> dict[str, Frames]:
        """Return the body of the answer."""
        return {"frames": frames}


def main(
    models: Path = Path("triton_repo"), port: int = 8000, workers: int = 2, *, fast: bool = False
) -> None:
    """Serve until a signal; `fast` has ZeroMQ between the processes."""
    server = litserve.LitServer(
        ClipApi(models),
        accelerator="cpu",
        devices=1,
        workers_per_device=workers,
        timeout=False,
        fast_queue=fast,
    )
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
    )


if __name__ == "__main__":
    typer.run(main)
