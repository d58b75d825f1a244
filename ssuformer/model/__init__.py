"""SSUFormer in torch; read from `ssuformer.py` down."""
