"""Composed scenes: from a seed and an asset pack to frames, sound and truth."""
