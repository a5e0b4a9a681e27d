"""Side-by-side measurements; each prints ratios from interleaved rounds."""
