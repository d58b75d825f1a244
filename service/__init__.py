"""The gateway: receives clips over HTTP, returns masks and sentences. Independent of torch."""
