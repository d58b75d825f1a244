"""The formats that can be imported."""

IMPORTS: tuple[str, ...] = ()
