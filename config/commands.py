"""How a command of the project is typed, so that what is suggested works as it stands."""

from config.env import BASE_DIR


def manage(arguments: str) -> str:
    """The command line from the project's folder: in a clone its own Python, else the system's."""
    python = ".venv/bin/python" if (BASE_DIR / ".venv").is_dir() else "python"
    return f"{python} manage.py {arguments}"
