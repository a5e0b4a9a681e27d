"""Where a table's keys, indexes and constraints are not what its model says."""

from collections.abc import Iterable, Iterator

from apps.database.facts.schema import LiveConstraint, LiveIndex, LiveKey, LiveTable
from apps.schema.expected import Check, ForeignKey, Index, Key, Table
from apps.schema.expressions import Expression, Meanings
from apps.schema.live import Drift, Live, quoted, subject
from apps.schema.statements import Definition
from apps.schema.statements import Key as WantedKey


def expressions_of(table: Table, live: Live, here: LiveTable) -> set[Expression]:
    """The checks, predicates and indexed expressions that must be compared by meaning."""
    name = (here.schema, here.name)
    texts = {check.expression for check in table.checks}
    if texts:
        texts |= {c.expression for c in live.constraints[name] if c.expression and c.kind == "c"}
    definitions = [i.definition for i in (*table.indexes, *table.exclusions) if i.definition]
    wanted = {d.predicate for d in definitions if d.predicate}
    wanted |= {key.expression for d in definitions for key in d.keys if key.expression}
    if wanted:
        wanted |= {i.predicate for i in live.indexes[name] if i.predicate}
        wanted |= {k.expression for i in live.indexes[name] for k in i.keys if k.expression}
    return {Expression(text) for text in texts | wanted}


class KeyComparison:
    """Finds for everything that a model wants its counterpart; what is left over is nobody's."""

    def __init__(self, table: Table, live: Live, here: LiveTable, meanings: Meanings) -> None:
        self.table, self.live, self.meanings = table, live, meanings
        self.name = (here.schema, here.name)
        self.columns = here.columns
        self.constraints = {c.name: c for c in live.constraints[self.name]}
        self.indexes = {i.name: i for i in live.indexes[self.name]}
        self.used: set[str] = set()

    def drift(self) -> Iterator[Drift]:
        """Missing and different ones; those with names of their own are looked for first."""
        yield from self._by_name(named=True)
        yield from self._by_name(named=False)
        for foreign in self.table.foreign_keys:
            if self._seen((foreign.column,)):
                yield from self._foreign_key(foreign)
        for exclusion in self.table.exclusions:
            if self._indexable(exclusion):
                yield from self._exclusion(exclusion)

    def _by_name(self, *, named: bool) -> Iterator[Drift]:
        """Keys, indexes and checks that have a name of their own, or those that have none."""
        for key in (key for key in self.table.keys if (key.name is not None) is named):
            if self._seen(key.columns):
                yield from self._key(key)
        for index in (index for index in self.table.indexes if (index.name is not None) is named):
            if self._indexable(index):
                yield from self._index(index)
        for check in (check for check in self.table.checks if (check.name is not None) is named):
            if self._mentions_no_absent(check.expression):
                yield from self._check(check)

    def left_over(self) -> tuple[list[LiveConstraint], list[LiveIndex]]:
        """Constraints and indexes that nothing in the model accounts for; after `drift`."""
        constraints = [
            c for c in self.constraints.values() if c.name not in self.used and c.kind != "n"
        ]
        indexes = [
            i for i in self.indexes.values() if i.name not in self.used and i.constraint is None
        ]
        return constraints, indexes

    def _seen(self, columns: Iterable[str]) -> bool:
        """Whether the columns are there; what an absent column takes along is not told twice."""
        return all(column in self.columns for column in columns)

    def _mentions_no_absent(self, expression: str) -> bool:
        absent = self.table.columns.keys() - self.columns.keys()
        return not any(f'"{column}"' in expression for column in absent)

    def _indexable(self, index: Index) -> bool:
        if index.definition is None:
            return True
        keys = index.definition.keys
        plain = [*(key.column for key in keys if key.column), *index.definition.include]
        texts = [*(key.expression or "" for key in keys), index.definition.predicate or ""]
        return self._seen(plain) and self._mentions_no_absent(" ".join(texts))

    def _missing(self, kind: str, name: str, expected: str, statement: str) -> Drift:
        where = subject(self.name, name)
        return Drift(kind, where, expected, None, f"{statement};")

    def _wrong(self, kind: str, name: str, expected: str, actual: str, statement: str) -> Drift:
        drop = f'ALTER TABLE {quoted(self.name)} DROP CONSTRAINT "{name}";'
        if kind == "wrong_index":
            drop = f'DROP INDEX "{self.name[0]}"."{name}";'
        remedy = f"{drop} {statement};"
        return Drift(kind, subject(self.name, name), expected, actual, remedy)

    def _unused(self, kind: str) -> list[LiveConstraint]:
        return [c for c in self.constraints.values() if c.kind == kind and c.name not in self.used]

    def _key(self, key: Key) -> Iterator[Drift]:
        words = f"{'primary key' if key.primary else 'unique'} ({', '.join(key.columns)})"
        expected = words + _deferral(key.deferrable, key.deferred)
        found = self._counterpart(key)
        if found is None:
            index = self._unique_index(key)
            if index is not None:
                self.used.add(index.name)
                return
            label = key.name or "_".join(key.columns)
            yield self._missing("missing_constraint", label, expected, key.statement)
            return
        self.used.add(found.name)
        nulls = self.indexes[found.name].nulls_not_distinct if found.name in self.indexes else False
        wanted = (key.columns, key.deferrable, key.deferred, key.nulls_not_distinct)
        if (found.columns, found.deferrable, found.deferred, nulls) != wanted:
            actual = f"{_KINDS[found.kind]} ({', '.join(found.columns)})"
            actual += _deferral(found.deferrable, found.deferred)
            actual += " nulls not distinct" if nulls else ""
            yield self._wrong("wrong_constraint", found.name, expected, actual, key.statement)

    def _counterpart(self, key: Key) -> LiveConstraint | None:
        kind = "p" if key.primary else "u"
        if key.name is not None:
            found = self.constraints.get(key.name)
            return found if found is not None and found.kind == kind else None
        same = [c for c in self._unused(kind) if c.columns == key.columns or key.primary]
        exact = [c for c in same if (c.deferrable, c.deferred) == (key.deferrable, key.deferred)]
        return next(iter(exact or same), None)

    def _unique_index(self, key: Key) -> LiveIndex | None:
        """A unique index, which holds rows apart as well as a constraint does."""
        for index in self.indexes.values():
            if key.primary or index.name in self.used or index.constraint is not None:
                continue
            named = key.name in (None, index.name)
            whole = index.unique and not index.partial and index.columns == key.columns
            if named and whole and index.nulls_not_distinct == key.nulls_not_distinct:
                return index
        return None

    def _foreign_key(self, key: ForeignKey) -> Iterator[Drift]:
        target = self.live.resolve(key.to_table) or self.live.wanted_name(key.to_table)
        expected = _reference(key.column, target, key.to_column, "a", "a") + _DEFERRED
        same = [c for c in self._unused("f") if c.columns == (key.column,)]
        described = {c.name: _described_foreign(c) for c in same}
        found = next((c for c in same if described[c.name] == expected), None)
        found = found or next(iter(same), None)
        if found is None:
            yield self._missing("missing_constraint", key.column, expected, key.statement)
            return
        self.used.add(found.name)
        actual = described[found.name]
        if actual != expected:
            yield self._wrong("wrong_constraint", found.name, expected, actual, key.statement)

    def _check(self, check: Check) -> Iterator[Drift]:
        expected = f"check ({check.expression})"
        if check.name is None:
            candidates = self._unused("c")
        else:
            found = self.constraints.get(check.name)
            candidates = [found] if found is not None and found.kind == "c" else []
        for candidate in candidates:
            if not self.meanings.differ(check.expression, candidate.expression):
                self.used.add(candidate.name)
                return
        if check.name is None or not candidates:
            label = check.name or "check"
            yield self._missing("missing_constraint", label, expected, check.statement)
            return
        self.used.add(candidates[0].name)
        actual = f"check ({candidates[0].expression})"
        yield self._wrong("wrong_constraint", check.name, expected, actual, check.statement)

    def _index(self, index: Index) -> Iterator[Drift]:
        definition = index.definition
        if index.name is None:
            for candidate in self.indexes.values():
                free = candidate.name not in self.used
                if free and definition is not None and self._same(definition, candidate):
                    self.used.add(candidate.name)
                    return
            keys = definition.keys if definition else ()
            label = "_".join(str(key.column) for key in keys)
            label += "" if all(key.opclass is None for key in keys) else "_like"
            yield self._missing_index(label, index)
            return
        found = self.indexes.get(index.name)
        if found is None:
            yield self._missing_index(index.name, index)
            return
        self.used.add(found.name)
        if definition is not None and not self._same(definition, found):
            statement, actual = index.statement, described_index(found)
            yield self._wrong("wrong_index", found.name, _after_on(statement), actual, statement)

    def _missing_index(self, label: str, index: Index) -> Drift:
        return self._missing("missing_index", label, _after_on(index.statement), index.statement)

    def _exclusion(self, exclusion: Index) -> Iterator[Drift]:
        name, definition = str(exclusion.name), exclusion.definition
        expected = exclusion.statement.partition(f'"{name}" ')[2] or exclusion.statement
        found, index = self.constraints.get(name), self.indexes.get(name)
        if found is None and (index is None or definition is not None):
            yield self._missing("missing_constraint", name, expected, exclusion.statement)
            return
        self.used.add(name)
        if definition is None or found is None:
            return
        operators = tuple(key.operator for key in definition.keys)
        deferral = (definition.deferrable, definition.deferred)
        same = index is not None and self._same(definition, index)
        if (
            not same
            or found.operators != operators
            or (found.deferrable, found.deferred) != deferral
        ):
            actual = described_index(index) if index else _KINDS[found.kind]
            actual += f" with {', '.join(found.operators)}"
            actual += _deferral(found.deferrable, found.deferred)
            yield self._wrong("wrong_constraint", name, expected, actual, exclusion.statement)

    def _same(self, wanted: Definition, found: LiveIndex) -> bool:
        options = dict(option.split("=", 1) for option in found.options)
        plain = (wanted.method, wanted.include, wanted.unique, wanted.nulls_not_distinct)
        return (
            plain == (found.method, found.include, found.unique, found.nulls_not_distinct)
            and wanted.options == options
            and (wanted.predicate is not None) is found.partial
            and not (wanted.predicate and self.meanings.differ(wanted.predicate, found.predicate))
            and len(wanted.keys) == len(found.keys)
            and all(
                self._same_key(key, actual)
                for key, actual in zip(wanted.keys, found.keys, strict=True)
            )
        )

    def _same_key(self, wanted: WantedKey, found: LiveKey) -> bool:
        if wanted.column != found.column:
            return False
        if wanted.expression and self.meanings.differ(wanted.expression, found.expression):
            return False
        opclass = (
            found.default_opclass if wanted.opclass is None else wanted.opclass == found.opclass
        )
        order = (wanted.descending, wanted.nulls_first) == (found.descending, found.nulls_first)
        return opclass and order and wanted.collation == found.collation


_KINDS = {"p": "primary key", "u": "unique", "f": "foreign key", "c": "check", "x": "exclude"}
_ACTIONS = {"r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}
_DEFERRED = " deferrable initially deferred"


def _deferral(deferrable: bool, deferred: bool) -> str:
    if not deferrable:
        return ""
    return _DEFERRED if deferred else " deferrable"


def _reference(
    column: str, target: tuple[str, str], to_column: str, delete: str, update: str
) -> str:
    words = f"foreign key ({column}) references {'.'.join(target)} ({to_column})"
    if delete in _ACTIONS:
        words += f" on delete {_ACTIONS[delete]}"
    return words + (f" on update {_ACTIONS[update]}" if update in _ACTIONS else "")


def _described_foreign(found: LiveConstraint) -> str:
    return _reference(
        ", ".join(found.columns),
        found.to_table or ("", ""),
        ", ".join(found.to_columns),
        found.on_delete,
        found.on_update,
    ) + _deferral(found.deferrable, found.deferred)


def described_constraint(found: LiveConstraint) -> str:
    """The constraint in words, for a report."""
    if found.kind == "f":
        return _described_foreign(found)
    inner = found.expression if found.kind == "c" else ", ".join(found.columns)
    return f"{_KINDS[found.kind]} ({inner})" + _deferral(found.deferrable, found.deferred)


def described_index(found: LiveIndex) -> str:
    """The index in words, for a report."""
    keys = []
    for key in found.keys:
        parts = [key.column or f"({key.expression})"]
        parts += [f'COLLATE "{key.collation}"'] if key.collation else []
        parts += [key.opclass] if not key.default_opclass else []
        parts += ["DESC"] if key.descending else []
        keys.append(" ".join(parts))
    words = f"{'unique ' if found.unique else ''}{found.method} ({', '.join(keys)})"
    words += f" include ({', '.join(found.include)})" if found.include else ""
    words += f" with ({', '.join(found.options)})" if found.options else ""
    return words + (f" where {found.predicate}" if found.partial else "")


def _after_on(statement: str) -> str:
    """What a CREATE INDEX statement says after the table's name."""
    before, _, after = statement.partition(" ON ")
    unique = "unique " if before.startswith("CREATE UNIQUE") else ""
    return unique + after.partition(" ")[2]
