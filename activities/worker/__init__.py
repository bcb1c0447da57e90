"""What a worker registers, describes, logs and measures of itself."""
