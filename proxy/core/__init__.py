"""Pure: bytes and values in, decisions out. No async, no clock, no chance, no input or output, no third party."""
