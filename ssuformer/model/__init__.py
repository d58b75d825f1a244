"""SSUFormer in torch; start reading at `ssuformer.py`."""
