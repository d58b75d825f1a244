"""HTTP, and nothing but HTTP: one module per group of routes."""
