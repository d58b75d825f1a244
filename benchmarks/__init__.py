"""Benchmarks: each compares variants in one run. Results are kept in RESULTS.md."""
