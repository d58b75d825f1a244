"""`python -m service.cli`, the same as `ssu`."""

from service.cli import run

run()
