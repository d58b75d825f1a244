"""Which weights answer: probed, put into service, taken out again."""
