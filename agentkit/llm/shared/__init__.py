"""What the providers' packages share."""
