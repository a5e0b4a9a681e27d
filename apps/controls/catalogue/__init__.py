"""The controls, one module a risk: adding a control is adding to a file, adding a risk a file."""
