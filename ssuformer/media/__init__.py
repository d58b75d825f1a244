"""Read untrusted media; start reading at `ssuformer/clip.py`, which puts these readers together."""
