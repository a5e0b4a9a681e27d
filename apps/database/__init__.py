"""The connection to PostgreSQL and the facts about it."""
