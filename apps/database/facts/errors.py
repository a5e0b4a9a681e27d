"""What a question raises when no answer can be had."""


class NoAnswer(Exception):
    """The question could not be answered; the message says why in one sentence."""
