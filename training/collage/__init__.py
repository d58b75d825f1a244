"""A second composer, for evaluation only: it shares no drawing or mixing with `training/scenes`."""
