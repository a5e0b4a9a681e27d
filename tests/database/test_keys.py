"""A UUID names one row: a collision overwrites nothing and loses nothing."""

from itertools import chain, repeat
from uuid import UUID

import pytest
from django.db import IntegrityError, connections, transaction

from apps.accounts.models import User
from apps.database import keys
from apps.database.keys import uuid7

pytestmark = pytest.mark.django_db


@pytest.fixture
def taken() -> UUID:
    """The key of a row that is there."""
    return User.objects.create(username="first").id


@pytest.fixture
def colliding(taken: UUID, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """A generator that makes the taken key, and then others; what it made."""
    made: list[UUID] = []
    coming = chain([taken], (uuid7() for _ in repeat(None)))

    def collide() -> UUID:
        made.append(next(coming))
        return made[-1]

    monkeypatch.setattr(User._meta.get_field("id"), "default", collide)
    # The field remembers how it asks for its default.
    monkeypatch.setitem(User._meta.get_field("id").__dict__, "_get_default", collide)
    monkeypatch.setattr(keys, "uuid7", collide)
    return made


def test_a_forced_collision_is_tried_once_more_with_a_new_key(
    taken: UUID, colliding: list[UUID]
) -> None:
    second = User.objects.create(username="second")
    assert colliding == [taken, second.id]
    assert second.id != taken
    assert User.objects.get(id=taken).username == "first"
    assert User.objects.get(id=second.id).username == "second"
    assert User.objects.count() == 2


def test_a_collision_inside_a_transaction_does_not_spoil_it(
    taken: UUID, colliding: list[UUID]
) -> None:
    with transaction.atomic():
        User.objects.create(username="second")
        User.objects.create(username="third")
    assert set(User.objects.values_list("username", flat=True)) == {"first", "second", "third"}


def test_two_collisions_are_an_error_and_change_nothing(
    taken: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(User._meta.get_field("id").__dict__, "_get_default", lambda: taken)
    monkeypatch.setattr(keys, "uuid7", lambda: taken)
    with pytest.raises(IntegrityError, match="accounts_user_pkey"), transaction.atomic():
        User.objects.create(username="second")
    assert list(User.objects.values_list("id", "username")) == [(taken, "first")]


@pytest.mark.parametrize("name", ["id", "pk"])
def test_a_key_that_the_caller_chose_is_never_changed(taken: UUID, name: str) -> None:
    with pytest.raises(IntegrityError, match="accounts_user_pkey"), transaction.atomic():
        User.objects.create(username="second", **{name: taken})
    late = User(username="second")
    late.id = taken
    with pytest.raises(IntegrityError, match="accounts_user_pkey"), transaction.atomic():
        late.save(force_insert=True)
    assert list(User.objects.values_list("id", "username")) == [(taken, "first")]


def test_another_unique_key_is_still_an_error(taken: UUID) -> None:
    with pytest.raises(IntegrityError, match="accounts_user_username_key"), transaction.atomic():
        User.objects.create(username="first")
    assert User.objects.count() == 1


def test_bulk_inserts_have_keys_in_order_and_a_collision_inserts_none(taken: UUID) -> None:
    made = User.objects.bulk_create([User(username=f"u{n}") for n in range(2000)], batch_size=500)
    assert len({user.id for user in made}) == 2000
    assert [user.id for user in made] == sorted(user.id for user in made)
    with pytest.raises(IntegrityError, match="accounts_user_pkey"), transaction.atomic():
        User.objects.bulk_create([User(username="x"), User(username="y", id=taken)])
    assert not User.objects.filter(username__in=["x", "y"]).exists()
    assert User.objects.get(id=taken).username == "first"


def test_rows_that_sql_inserts_get_a_key_from_postgresql_without_an_extension() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_user (username, password, is_superuser, first_name, last_name,"
            " email, is_staff, is_active, date_joined)"
            " SELECT 'sql' || n, '', false, '', '', '', false, true, now()"
            " FROM generate_series(1, 100) n RETURNING id"
        )
        assert len({row[0] for row in cursor.fetchall()}) == 100
        # PostgreSQL's own function: without contrib the keys are made all the same.
        cursor.execute(
            "SELECT p.pronamespace::regnamespace::text FROM pg_proc p"
            " WHERE p.proname = 'gen_random_uuid'"
            " AND NOT EXISTS (SELECT FROM pg_depend m WHERE m.objid = p.oid AND m.deptype = 'e')"
        )
        assert cursor.fetchall() == [("pg_catalog",)]
    assert {user.id.version for user in User.objects.filter(username__startswith="sql")} == {4}
