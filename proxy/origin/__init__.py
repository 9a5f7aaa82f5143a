"""The way to the backend: one request on the wire for one that was asked."""
