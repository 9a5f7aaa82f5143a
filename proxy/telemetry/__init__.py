"""Telemetry: what there is to count, how it is counted, how workers are merged, and how it is written for who scrapes it."""
