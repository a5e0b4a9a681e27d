"""Backups: made, proven, kept."""
