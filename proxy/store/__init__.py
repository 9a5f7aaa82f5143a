"""The shared store: a compare-and-swap register with a clock and a lineage."""
