"""Rehearsal: pending migrations executed on a scratch copy before they touch the real database."""
