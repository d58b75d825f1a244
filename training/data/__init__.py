"""Filmed clips with ground truth: readers of the folder layouts, a writer and a checker."""
