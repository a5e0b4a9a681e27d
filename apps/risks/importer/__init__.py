"""Reads risk-profile documents; knows nothing of the database."""
