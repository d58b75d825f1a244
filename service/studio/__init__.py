"""The studio: people correct what the model found and make training data."""
