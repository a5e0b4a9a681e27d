"""Filters of the pages: standings with a word and a sign, and searched words marked."""

import re

from django import template
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

SIGNS = {
    "held": "✓",
    "pass": "✓",
    "failing": "✗",
    "fail": "✗",
    "unknown": "?",
    "not judged": "·",
    "not_applicable": "–",
    "PASS": "✓",
    "WAIVED": "~",
    "CONCERNS": "!",
    "FAIL": "✗",
    "accepted": "~",
    "active": "~",
    "due": "!",
    "open": "✗",
}


@register.filter
def standing(value: str) -> SafeString:
    """A state as a badge: sign, word, and a colour that adds nothing to them."""
    word = str(value)
    return format_html(
        '<span class="badge badge-{}"><span aria-hidden="true">{}</span> {}</span>',
        word.replace(" ", "-").replace("_", "-"),
        SIGNS.get(word, "·"),
        word.replace("_", " "),
    )


@register.filter
def marked(text: str, words: str) -> SafeString:
    """The text with each searched word in <mark>, everything escaped."""
    wanted = [re.escape(word) for word in re.findall(r"\w{2,}", words)]
    if not wanted:
        return conditional_escape(text)
    pieces = re.split(rf"({'|'.join(wanted)})", text, flags=re.IGNORECASE)
    return format_html_join(
        "",
        "{}",
        ((format_html("<mark>{}</mark>", p) if n % 2 else p,) for n, p in enumerate(pieces)),
    )


@register.filter
def plain(value: object) -> str:
    """A piece of evidence as words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain(item)}" for key, item in value.items())
    return str(value)


@register.filter
def words(value: str) -> str:
    """A key of evidence as words."""
    return value.replace("_", " ")


@register.filter
def unbroken(command: str) -> SafeString:
    """A command that a line breaks between its words only, never at a hyphen."""
    return format_html_join(" ", '<span class="word">{}</span>', ((w,) for w in command.split()))
