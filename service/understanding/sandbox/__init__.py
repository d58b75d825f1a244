"""What keeps code inside a decoding process from reaching anything outside it."""
