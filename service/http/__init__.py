"""HTTP: requests in, answers and problems out, and who may ask."""
