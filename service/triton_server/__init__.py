"""A Triton server for development and tests, without a GPU."""
