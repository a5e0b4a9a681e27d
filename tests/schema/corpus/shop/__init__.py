"""An application whose migrations are rehearsed by tests; its models live in their states only."""
