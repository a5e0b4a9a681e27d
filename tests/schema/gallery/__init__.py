"""An application with every kind of table, column, key and history that must not look wrong."""
