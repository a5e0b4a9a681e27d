"""The controls: what judges the database, and what remembers the verdicts."""
