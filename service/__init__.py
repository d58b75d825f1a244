"""The gateway: a clip comes in over HTTP, masks and sentences go out. It knows no torch."""
