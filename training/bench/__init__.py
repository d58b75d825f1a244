"""The bench: many runs of one experiment, evaluated alike, and tables of what they reached."""
