"""The pages in a real browser: on a desk and on a phone, by keyboard, without a complaint."""

import itertools
from typing import Any

import pytest

from apps.risks.models import Risk
from tests.web.webdriver import TAB, browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_screen_or_breaks_a_rule(
    width: int, assessed: None, live_server: Any
) -> None:
    risk = Risk.objects.get(code="SEC-005")
    with browser(width) as visitor:
        for path in ("/", f"/risks/{risk.pk}/", "/search/?q=index", "/risks/none/"):
            visitor.open(f"{live_server.url}{path}")
            page, screen = visitor.run(
                "return [document.documentElement.scrollWidth, window.innerWidth]"
            )
            assert page <= screen, path
            headings = visitor.run(
                "return [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])"
            )
            assert headings.count(1) == 1, path
            steps = itertools.pairwise(headings)
            assert all(after - before <= 1 for before, after in steps), path
            errors = [line for line in visitor.console_errors() if "404" not in line]
            assert errors == [], path


def test_the_first_tab_reaches_the_skip_link_and_focus_can_be_seen(
    assessed: None, live_server: Any
) -> None:
    with browser(1280) as visitor:
        visitor.open(f"{live_server.url}/")
        visitor.press(TAB)
        focused = visitor.run(
            "const e = document.activeElement, s = getComputedStyle(e);"
            "return [e.className, e.getBoundingClientRect().left >= 0, s.outlineStyle]"
        )
    assert focused == ["skip", True, "solid"]


def test_everything_interactive_has_a_name(assessed: None, live_server: Any) -> None:
    with browser(1280) as visitor:
        visitor.open(f"{live_server.url}/")
        nameless = visitor.run(
            "return [...document.querySelectorAll('a,button,input')].filter(e =>"
            " !(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-label')))"
            ".map(e => e.outerHTML)"
        )
    assert nameless == []
