"""How the environment becomes settings."""
