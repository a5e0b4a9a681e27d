"""A small service on the foundation, for faults to strike: it writes, and it holds connections."""
