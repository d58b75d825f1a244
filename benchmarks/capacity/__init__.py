"""Capacity planning: replicas needed for a load, measured on one node, simulated for many."""
