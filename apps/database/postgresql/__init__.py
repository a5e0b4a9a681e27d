"""Django's PostgreSQL backend, with bounded waiting and patient connecting."""
