"""Readers of the formats that a project comes in as: a file each."""
