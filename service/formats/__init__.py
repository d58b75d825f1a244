"""Forms in which an answer is written: a module `as_NAME.py` each, found by its name."""
