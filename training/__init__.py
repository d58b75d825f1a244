"""Training and evaluation of SSUFormer, and its training data."""
