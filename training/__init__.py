"""What SSUFormer learns from, how it learns, and how well."""
