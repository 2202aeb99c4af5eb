"""Examples for training and measuring, one file a task."""
