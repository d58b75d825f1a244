"""Where the two models run: one file per backend, all behind the Protocol in `engine`."""
