"""From an open clip to the answer: decoding, windows, tracks, masks, sentences."""
