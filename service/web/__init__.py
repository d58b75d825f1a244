"""What a browser gets: `source/` in TypeScript, and `built/` from it by `scripts/web-build`."""
