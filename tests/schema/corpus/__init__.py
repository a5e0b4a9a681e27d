"""A corpus of migrations, each with a hazard of its own or with none."""
