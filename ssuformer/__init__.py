"""What training, export and serving share: the contract, clips, masks, sentences and the model."""
