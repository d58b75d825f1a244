"""Code shared by training, export and serving: contract, clips, masks, sentences, model."""
