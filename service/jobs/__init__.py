"""Jobs: clips that are understood in the background, part by part, and kept until they expire."""
