"""From a request to its answer: the shell around the core."""
