"""HTTP: requests, answers, problems, and authentication."""
