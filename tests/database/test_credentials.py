"""What is a credential by its name, what is one in clear, and what only looks like it."""

import pytest
from django.db import connection

from apps.database.facts.credentials import (
    KEPT_STATEMENT,
    PROTECTED,
    carries_a_credential,
    names_a_credential,
)

FORTY, SIXTY = "a1" * 20, "h" * 60


@pytest.mark.parametrize(
    "name",
    [
        *("password", "user_password", "userPassword", "PWD", "passwd", "passphrase", "token"),
        *("api_key", "apiKey", "apikey", "access_key", "client_secret", "secrets", "credentials"),
        *("service.jwt_secret", "refresh_tokens", "signingKey", "private-key"),
    ],
)
def test_a_name_that_means_a_credential(name: str) -> None:
    assert names_a_credential(name)


@pytest.mark.parametrize(
    "name",
    [
        *("password_hint", "password_changed_at", "token_type", "token_count", "secretary"),
        *("public_key", "sort_key", "key", "session_key", "password_required", "api_key_file"),
        *("token.lifetime", "tokenizer", "monkey", "pwd_expires", "secret_name"),
    ],
)
def test_a_name_that_means_something_else(name: str) -> None:
    assert not names_a_credential(name)


def fits(value: str, pattern: str, operator: str = "~") -> bool:
    """Whether the server finds the pattern in the value."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s ~ %s" if operator == "~" else "SELECT %s ~* %s", [value, pattern])
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [
        *(f"pbkdf2_sha256$1000000$salt${SIXTY}", f"argon2$argon2id$v=19$m=1$x${SIXTY}"),
        *(f"$2b$12${SIXTY[:53]}", f"$6$rounds=5000$salt${SIXTY}", "{SSHA512}abc", "!", "!" + SIXTY),
        *(
            FORTY,
            "ab" * 16,
            "AB" * 32,
            "ab" * 64,
            "\\x" + "ab" * 32,
            "A" * 43 + "=",
            "b" * 86 + "==",
        ),
        *("md5" + "0" * 32, "SCRAM-SHA-256$4096:x$y:z", "vault:v1:abc", f"gAAAAA{SIXTY}"),
        *("eyJhbGciOiJ9.a.b.c.d", "env:TOKEN", "arn:aws:secretsmanager:x", "********", "xxxx"),
        *("-----BEGIN PGP MESSAGE-----\nabc", "enc:abc"),
    ],
)
def test_what_no_reader_can_use_is_protected(value: str) -> None:
    assert fits(value, PROTECTED)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [
        *("hunter2", "correct horse battery staple", "P@ss$word$1", "$ecret", "0123456789"),
        *("eyJhbGciOiJ9.payload.signature", "user-42", "0b0d7b3e-6f0c-4b8e-9d57-ff0c4d6a2f11"),
        *("env", "x", "ab" * 15, "abc!", f"-----BEGIN RSA {'PRIVATE'} KEY-----"),
    ],
)
def test_what_anybody_can_use_is_in_clear(value: str) -> None:
    assert value == "x" or not fits(value, PROTECTED)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "tells"),
    [
        ("ALTER ROLE a PASSWORD 'plain'", True),
        ("create user a with password 'plain' login", True),
        ("SELECT dblink('host=b password=''plain''')", False),
        ("CREATE SUBSCRIPTION s CONNECTION 'postgresql://a:plain@b/c'", True),
        ("ALTER ROLE a PASSWORD 'SCRAM-SHA-256$4096:x$y:z'", False),
        ("ALTER ROLE a PASSWORD 'md5plain'", True),
        ("ALTER ROLE a PASSWORD NULL", False),
        ("SELECT * FROM a WHERE password = $1", False),
        ("SELECT $1 AS password, 'x'", False),
    ],
)
def test_kept_statements_that_tell(statement: str, tells: bool) -> None:
    assert fits(statement, KEPT_STATEMENT, "~*") is tells


@pytest.mark.parametrize(
    ("name", "value", "carries"),
    [
        ("primary_conninfo", "host=a user=b password=plain", True),
        ("primary_conninfo", "host=a user=b password='plain x'", True),
        ("primary_conninfo", "host=a sslkey=k sslpassword=plain", True),
        ("primary_conninfo", "host=a user=password_keeper passfile=/x", False),
        ("primary_conninfo", "host=a password=''", False),
        ("restore_command", "PGPASSWORD=plain fetch %f", True),
        ("restore_command", "PGPASSWORD=$(cat /run/x) fetch %f", False),
        ("archive_command", "AWS_SECRET_ACCESS_KEY=plain push %p", True),
        ("archive_command", "push --password=plain %p", True),
        ("archive_command", 'push --password="$X" %p', False),
        ("archive_command", "push s3://bucket/%f", False),
        ("archive_command", "push https://a:plain@b/%f", True),
        ("service.jwt_secret", "plain", True),
        ("service.jwt_secret", "", False),
        ("service.token_lifetime", "3600", False),
        ("password_encryption", "scram-sha-256", False),
        ("log_line_prefix", "%m [%p] %q%u@%d %a ", False),
    ],
)
def test_settings_that_carry_one(name: str, value: str, carries: bool) -> None:
    assert carries_a_credential(name, value) is carries
