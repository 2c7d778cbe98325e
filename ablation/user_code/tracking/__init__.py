"""What a training tracks, between two processes."""
