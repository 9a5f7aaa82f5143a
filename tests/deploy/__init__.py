"""What stands in deploy/, held to the validators of its kinds and to what noclobber itself says, and run where that is possible."""
