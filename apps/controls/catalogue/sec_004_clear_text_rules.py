"""No rule of the server lets anybody in who talks in clear text.

SEC-004.3 looks at the sessions of this moment, SEC-004.4 tries as the service. This reads the rules
themselves: those for other roles, other databases and addresses that nobody uses today.
"""

from collections.abc import Iterator

from apps.controls.control import (
    CannotSee,
    Finding,
    Inapplicable,
    Level,
    NotApplicable,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection
from apps.controls.planting import hba, nothing, sequence, sql
from apps.database.facts.access import access_rules, rules_for_clear_text
from apps.database.facts.server import setting

_LOCAL = "local all all scram-sha-256"
_TLS = "hostssl all all 127.0.0.1/32 scram-sha-256"
_SEES_RULES = sql(
    "GRANT SELECT ON pg_catalog.pg_hba_file_rules TO scratch_auditor",
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO scratch_auditor",
)


@control(
    "SEC-004.8",
    "No rule of pg_hba.conf lets clear text in from the network",
    not_applicable={"no_network": "The server listens on no network address."},
    inapplicable=(Inapplicable("listens on a socket only", "no_network", nothing),),
    specimens=(
        Specimen(
            "host where hostssl was meant",
            plant=sequence(_SEES_RULES, hba(_LOCAL, _TLS, "host all all 10.0.0.0/8 scram-sha-256")),
            repair=hba(_LOCAL, _TLS, "hostssl all all 10.0.0.0/8 scram-sha-256"),
            # Loopback crosses no network, and behind a refusal nothing in clear comes through.
            near_miss=sequence(
                _SEES_RULES,
                hba(
                    _LOCAL,
                    "host all all 127.0.0.0/8 scram-sha-256",
                    "host all all samehost scram-sha-256",
                    "hostnossl all all all reject",
                    "host all all 10.0.0.0/8 scram-sha-256",
                ),
            ),
            subject="pg_hba.conf line 3",
            needs="tls",
        ),
        Specimen(
            "clear text for one role from everywhere",
            plant=sequence(
                _SEES_RULES,
                hba(
                    _LOCAL,
                    _TLS,
                    "hostnossl template1 all all reject",
                    "hostnossl all reporting 0.0.0.0/0 scram-sha-256",
                ),
            ),
            repair=hba(_LOCAL, _TLS, "hostnossl all all all reject"),
            near_miss=sequence(
                _SEES_RULES, hba(_LOCAL, _TLS, "hostnossl all reporting 0.0.0.0/0 reject")
            ),
            subject="pg_hba.conf line 4",
            needs="tls",
        ),
    ),
)
def no_rule_lets_clear_text_in(inspection: Inspection) -> Iterator[Finding]:
    """The file as it is; a change that was not reloaded yet counts already."""
    if not setting(inspection.cursor, "listen_addresses"):
        raise NotApplicable("no_network")
    rules = access_rules(inspection.cursor)
    if rules is None:
        auditor = inspection.target.entries["auditor"]["USER"]
        raise CannotSee(
            "The rules of pg_hba.conf are hidden from this session.",
            "Assess once as a superuser, or: GRANT SELECT ON pg_catalog.pg_hba_file_rules TO "
            f'"{auditor}"; GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO '
            f'"{auditor}"; Restore dumps made after that with --no-privileges.',
        )
    broken = [rule for rule in rules if rule.error]
    if broken:
        raise CannotSee(
            f"Line {broken[0].line} of pg_hba.conf cannot be read: {broken[0].error}; the server "
            "keeps the rules that it had.",
            "Correct the line, then SELECT pg_reload_conf();",
        )
    clear = rules_for_clear_text(rules)
    inspection.evidence.update(rules=len(rules), lines=[rule.line for rule in clear])
    for rule in clear:
        yield Finding(
            Level.ERROR,
            "A rule lets clear text in",
            f"pg_hba.conf line {rule.line}",
            f"{rule.kind} lets {', '.join(rule.roles)} from {rule.network} into "
            f"{', '.join(rule.databases)} without encryption.",
            "Write hostssl there, then SELECT pg_reload_conf();",
        )
