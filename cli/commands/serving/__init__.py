"""Commands that run the API, workers or all of it."""
