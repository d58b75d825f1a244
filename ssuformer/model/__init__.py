"""The model in torch; start reading at `sound_source_model.py` and `family/ssuformer.py`."""
