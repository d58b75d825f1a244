"""Composed scenes: from a seed and an asset pack to frames, audio and ground truth."""
