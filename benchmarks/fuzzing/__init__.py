"""Damaged clips: seeds, mutations that know containers, and what to send them to."""
