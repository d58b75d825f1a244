"""Model rollout: probe new weights, put them into service, roll back."""
