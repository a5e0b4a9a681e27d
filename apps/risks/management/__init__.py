"""What the register can be told from the command line."""
