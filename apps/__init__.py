"""Holdfast's applications, and beside them those that a team adds."""
