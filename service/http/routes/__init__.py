"""HTTP routes only: one module per group."""
