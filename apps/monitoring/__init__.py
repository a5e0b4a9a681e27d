"""The voices of operation: health and metrics."""
