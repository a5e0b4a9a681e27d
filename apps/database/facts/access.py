"""Facts about who may come in from where: the rules of pg_hba.conf, as the server reads it."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from django.db.backends.utils import CursorWrapper

# A rule's words for every database, every role and every address.
EVERYTHING = ("all",)


@dataclass(frozen=True)
class AccessRule:
    """One line of pg_hba.conf; `address` and `netmask` are None for a local socket."""

    line: int
    kind: str
    databases: tuple[str, ...]
    roles: tuple[str, ...]
    address: str | None
    netmask: str | None
    method: str
    error: str | None

    @property
    def network(self) -> str:
        """The addresses it is about, as the file has them."""
        return "/".join(part for part in (self.address, self.netmask) if part)

    @property
    def on_this_machine(self) -> bool:
        """Whether only addresses of the server's own machine fit."""
        if self.address is None or self.address == "samehost":
            return True
        try:
            # A mask of ones and zeros, which ipaddress reads for IPv4 only.
            ones = f"{int(ip_address(self.netmask or '')):b}".count("1")
            return ip_network(f"{self.address}/{ones}").is_loopback
        except ValueError:
            return False

    @property
    def lets_clear_in(self) -> bool:
        """Whether somebody may come in over the network without encryption."""
        clear = self.kind in ("host", "hostnossl")
        return clear and self.method not in ("reject", "gss") and not self.on_this_machine

    @property
    def refuses_all_clear(self) -> bool:
        """Whether no session in clear comes by this line, whoever and wherever from."""
        return (
            self.kind in ("host", "hostnossl")
            and self.method == "reject"
            and self.databases == EVERYTHING
            and self.roles == EVERYTHING
            and self.address == "all"
        )


def access_rules(cursor: CursorWrapper) -> list[AccessRule] | None:
    """The rules in the order in which they hold; None where this session may not read them."""
    cursor.execute(
        """
        SELECT pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT')
               AND pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')
        """
    )
    if not cursor.fetchone()[0]:
        return None
    cursor.execute(
        """
        SELECT line_number, coalesce(type, ''), coalesce(database, '{}'),
               coalesce(user_name, '{}'), address, netmask, coalesce(auth_method, ''), error
        FROM pg_catalog.pg_hba_file_rules
        """
    )
    return [
        AccessRule(line, kind, tuple(databases), tuple(roles), address, netmask, method, error)
        for line, kind, databases, roles, address, netmask, method, error in cursor.fetchall()
    ]


def rules_for_clear_text(rules: list[AccessRule]) -> list[AccessRule]:
    """Those that let clear text in; the first line that fits counts, so a refusal ends the list."""
    found = []
    for rule in rules:
        if rule.refuses_all_clear:
            break
        if rule.lets_clear_in:
            found.append(rule)
    return found
