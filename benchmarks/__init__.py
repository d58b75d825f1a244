"""Performance, measured: two things in one run, as a ratio. Figures are kept in RESULTS.md."""
