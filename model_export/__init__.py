"""Export a checkpoint to the engines that are served."""
