"""What concurrent transactions do to each other without the helper, and do not with it."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection, connections, transaction

from apps.database.outages import is_conflict
from apps.database.retries import serializable
from apps.database.server import Cluster
from tests import environment

pytestmark = pytest.mark.django_db(transaction=True)
MEETING_SECONDS = 10


@pytest.fixture
def accounts(cluster: Cluster, django_db_setup: None) -> Iterator[None]:
    """Two accounts with 100 each."""
    with cluster.connect(environment.DATABASE) as owner:
        owner.execute("CREATE TABLE drill_account (name text PRIMARY KEY, balance int NOT NULL)")
        owner.execute("INSERT INTO drill_account VALUES ('a', 100), ('b', 100)")
        owner.execute("GRANT SELECT, INSERT, UPDATE ON drill_account TO test_app")
        yield
        owner.execute("DROP TABLE drill_account")


def balance(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT balance FROM drill_account WHERE name = %s", [name])
        return int(cursor.fetchone()[0])


def total() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(balance) FROM drill_account")
        return int(cursor.fetchone()[0])


def put(name: str, amount: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE drill_account SET balance = %s WHERE name = %s", [amount, name])


class Meeting:
    """Lets two transactions reach the same point, the first time that each of them comes by."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)
        self._been: set[int] = set()

    def here(self) -> None:
        if threading.get_ident() not in self._been:
            self._been.add(threading.get_ident())
            self._barrier.wait(MEETING_SECONDS)


def together(*functions: Callable[[], None]) -> list[Exception]:
    """Run the functions at once, each on a connection of its own; the errors that they raised."""
    errors: list[Exception] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[function]) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(MEETING_SECONDS * 2)
    return errors


def deposit(meeting: Meeting) -> Callable[[], None]:
    def act() -> None:
        seen = balance("a")
        meeting.here()
        put("a", seen + 10)

    return act


def withdraw(meeting: Meeting, name: str) -> Callable[[], None]:
    """Take 150 from one account, allowed while both together hold as much."""

    def act() -> None:
        enough = total() >= 150
        meeting.here()
        if enough:
            put(name, balance(name) - 150)

    return act


def transfer(meeting: Meeting, first: str, second: str) -> Callable[[], None]:
    def act() -> None:
        put(first, balance(first) + 1)
        meeting.here()
        put(second, balance(second) + 1)

    return act


def test_without_it_an_update_is_lost(accounts: None) -> None:
    act = transaction.atomic(deposit(Meeting()))
    assert together(act, act) == []
    assert balance("a") == 110


def test_with_it_no_update_is_lost(accounts: None) -> None:
    act = serializable()(deposit(Meeting()))
    assert together(act, act) == []
    assert balance("a") == 120


def test_without_it_a_write_is_skewed(accounts: None) -> None:
    meeting = Meeting()
    acts = [transaction.atomic(withdraw(meeting, name)) for name in ("a", "b")]
    assert together(*acts) == []
    assert total() == -100


def test_with_it_no_write_is_skewed(accounts: None) -> None:
    meeting = Meeting()
    assert together(*[serializable()(withdraw(meeting, name)) for name in ("a", "b")]) == []
    assert total() == 50


def test_without_it_a_deadlock_costs_one_of_the_two(accounts: None) -> None:
    meeting = Meeting()
    errors = together(
        transaction.atomic(transfer(meeting, "a", "b")),
        transaction.atomic(transfer(meeting, "b", "a")),
    )
    assert [is_conflict(error) for error in errors] == [True]
    assert total() == 202


def test_with_it_both_of_a_deadlock_arrive(accounts: None) -> None:
    meeting = Meeting()
    acts = (transfer(meeting, "a", "b"), transfer(meeting, "b", "a"))
    assert together(*map(serializable(), acts)) == []
    assert total() == 204


def test_a_conflict_that_goes_on_is_raised_after_the_last_retry(accounts: None) -> None:
    tries = 0

    # The row is read before the other one's commit, so the update meets a newer version.
    @serializable(retries=2)
    def reader() -> None:
        nonlocal tries
        tries += 1
        seen = balance("a")
        assert together(transaction.atomic(lambda: put("a", seen + 5))) == []
        put("a", seen + 1)

    with pytest.raises(OperationalError) as raised:
        reader()
    assert is_conflict(raised.value)
    assert tries == 3


def test_it_must_be_the_outermost_transaction(accounts: None) -> None:
    inner = serializable()(lambda: None)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        inner()


def test_its_result_is_returned_and_its_level_holds_inside_only(accounts: None) -> None:
    def level() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_isolation")
            return str(cursor.fetchone()[0])

    assert serializable()(level)() == "serializable"
    assert level() == "read committed"
