"""Typed questions to PostgreSQL, one subject a module; each takes a cursor."""
