"""The schema: migrated under guard, and compared."""
