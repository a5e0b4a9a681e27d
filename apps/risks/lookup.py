"""Finds the profile that a person names."""

from apps.risks.models import Revision
from config.commands import manage


class NoSuchProfile(Exception):
    """No profile has this name; the message says which there are, or how to import one."""


def current_revision(name: str) -> Revision:
    """The newest revision of the profile with this key or slug. Raises NoSuchProfile."""
    revisions = Revision.objects.current().defer("source_text").select_related("profile")
    found = {revision.profile.key: revision for revision in revisions.order_by("profile__key")}
    if not found:
        raise NoSuchProfile(
            "The register is empty; import a profile: "
            + manage("import_profile docs/risk-profile.md")
        )
    by_slug = {revision.profile.slug: revision for revision in found.values()}
    chosen = found.get(name) or by_slug.get(name)
    if chosen is None:
        raise NoSuchProfile(
            f"There is no profile {name[:80]!r}; the register has {', '.join(found)}."
        )
    return chosen
