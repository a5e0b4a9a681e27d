"""What is broken by hand, what drift calls it, and where."""

BREAKAGES = {
    "a column dropped": (
        "ALTER TABLE gallery_person DROP COLUMN iban",
        "missing_column",
        "public.gallery_person.iban",
    ),
    "a column added": (
        "ALTER TABLE gallery_person ADD COLUMN extra int",
        "extra_column",
        "public.gallery_person.extra",
    ),
    "a type changed": (
        "ALTER TABLE gallery_novel ALTER COLUMN hero TYPE varchar(90)",
        "wrong_type",
        "public.gallery_novel.hero",
    ),
    "a NOT NULL dropped": (
        "ALTER TABLE gallery_novel ALTER COLUMN hero DROP NOT NULL",
        "wrong_null",
        "public.gallery_novel.hero",
    ),
    "a stray default": (
        "ALTER TABLE gallery_novel ALTER COLUMN hero SET DEFAULT 'Ann'",
        "extra_default",
        "public.gallery_novel.hero",
    ),
    "a default dropped": (
        'ALTER TABLE "houses of publishing" ALTER COLUMN active DROP DEFAULT',
        "missing_default",
        "public.houses of publishing.active",
    ),
    "a default changed": (
        'ALTER TABLE "houses of publishing" ALTER COLUMN rating SET DEFAULT 1.6',
        "wrong_default",
        "public.houses of publishing.rating",
    ),
    "a primary key dropped": (
        "ALTER TABLE gallery_seat DROP CONSTRAINT gallery_seat_pkey",
        "missing_constraint",
        "public.gallery_seat.row_number",
    ),
    "a primary key of other columns": (
        (
            "ALTER TABLE gallery_seat DROP CONSTRAINT gallery_seat_pkey,"
            " ADD CONSTRAINT gallery_seat_pkey PRIMARY KEY (number)"
        ),
        "wrong_constraint",
        "public.gallery_seat.gallery_seat_pkey",
    ),
    "a foreign key dropped": (
        (
            "DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE library_books DROP CONSTRAINT ' || conname"
            " FROM pg_constraint WHERE conrelid = 'library_books'::regclass AND contype = 'f'"
            " AND conname LIKE '%written_by%'); END $$"
        ),
        "missing_constraint",
        "public.library_books.written_by",
    ),
    "a foreign key that cascades": (
        (
            "DO $$ DECLARE n text := (SELECT conname FROM pg_constraint WHERE contype = 'f'"
            " AND conrelid = 'gallery_novel'::regclass); BEGIN EXECUTE format('ALTER TABLE"
            " gallery_novel DROP CONSTRAINT %I, ADD CONSTRAINT book FOREIGN KEY"
            " (book_ptr_id) REFERENCES"
            " library_books (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED', n); END $$"
        ),
        "wrong_constraint",
        "public.gallery_novel.book",
    ),
    "a foreign key to another table": (
        (
            "DO $$ DECLARE n text := (SELECT conname FROM pg_constraint WHERE contype = 'f'"
            " AND conrelid = 'archive.record'::regclass); BEGIN EXECUTE format('ALTER TABLE"
            " archive.record DROP CONSTRAINT %I, ADD CONSTRAINT person FOREIGN KEY (person_id)"
            " REFERENCES library_books (id) DEFERRABLE INITIALLY DEFERRED', n); END $$"
        ),
        "wrong_constraint",
        "archive.record.person",
    ),
    "a unique key dropped": (
        (
            "DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE library_books DROP CONSTRAINT ' || conname"
            " FROM pg_constraint WHERE conrelid = 'library_books'::regclass AND contype = 'u'"
            " AND conname LIKE '%shelf_place%'); END $$"
        ),
        "missing_constraint",
        "public.library_books.shelf_place",
    ),
    "a unique key that is no more deferred": (
        (
            "ALTER TABLE library_books DROP CONSTRAINT book_late,"
            " ADD CONSTRAINT book_late UNIQUE (title, price)"
        ),
        "wrong_constraint",
        "public.library_books.book_late",
    ),
    "a check dropped": (
        "ALTER TABLE library_books DROP CONSTRAINT book_state",
        "missing_constraint",
        "public.library_books.book_state",
    ),
    "a check changed": (
        (
            "ALTER TABLE library_books DROP CONSTRAINT book_state, ADD CONSTRAINT book_state"
            " CHECK (state IN ('draft', 'printed', 'sold', 'lost'))"
        ),
        "wrong_constraint",
        "public.library_books.book_state",
    ),
    "a check never validated": (
        (
            "ALTER TABLE library_books DROP CONSTRAINT book_state, ADD CONSTRAINT book_state"
            " CHECK (state IN ('draft', 'printed', 'sold')) NOT VALID"
        ),
        "not_valid_constraint",
        "public.library_books.book_state",
    ),
    "the check of a positive number dropped": (
        "ALTER TABLE gallery_person DROP CONSTRAINT gallery_writer_years_check",
        "missing_constraint",
        "public.gallery_person.check",
    ),
    "a constraint added": (
        "ALTER TABLE gallery_novel ADD CONSTRAINT long CHECK (length(hero) > 3)",
        "extra_constraint",
        "public.gallery_novel.long",
    ),
    "an exclusion dropped": (
        "ALTER TABLE library_books DROP CONSTRAINT book_lent_once",
        "missing_constraint",
        "public.library_books.book_lent_once",
    ),
    "an exclusion of another operator": (
        (
            "ALTER TABLE library_books DROP CONSTRAINT book_lent_once, ADD CONSTRAINT"
            " book_lent_once"
            " EXCLUDE USING gist (lent WITH =) WHERE (state = 'sold') DEFERRABLE INITIALLY DEFERRED"
        ),
        "wrong_constraint",
        "public.library_books.book_lent_once",
    ),
    "an index dropped": (
        "DROP INDEX book_cover",
        "missing_index",
        "public.library_books.book_cover",
    ),
    "the index of a foreign key dropped": (
        (
            "DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX ' || indexname FROM pg_indexes"
            " WHERE tablename = 'library_books' AND indexdef LIKE '%(publisher_id)'); END $$"
        ),
        "missing_index",
        "public.library_books.publisher_id",
    ),
    "an index for patterns dropped": (
        (
            "DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX ' || indexname FROM pg_indexes"
            " WHERE tablename = 'gallery_person' AND indexdef LIKE '%(nickname varchar_pattern%');"
            " END $$"
        ),
        "missing_index",
        "public.gallery_person.nickname_like",
    ),
    "an index of another method": (
        "DROP INDEX book_hash; CREATE INDEX book_hash ON library_books (isbn)",
        "wrong_index",
        "public.library_books.book_hash",
    ),
    "an index with another predicate": (
        (
            "DROP INDEX book_unsold;"
            " CREATE INDEX book_unsold ON library_books (state) WHERE state <> 'lost'"
        ),
        "wrong_index",
        "public.library_books.book_unsold",
    ),
    "an index of another expression": (
        (
            "DROP INDEX book_lower;"
            " CREATE INDEX book_lower ON library_books (upper(title) DESC, price)"
        ),
        "wrong_index",
        "public.library_books.book_lower",
    ),
    "an index in another order": (
        "DROP INDEX book_newest; CREATE INDEX book_newest ON library_books (created, title)",
        "wrong_index",
        "public.library_books.book_newest",
    ),
    "an index of another operator class": (
        "DROP INDEX book_tags; CREATE INDEX book_tags ON library_books USING gin (tags)",
        "wrong_index",
        "public.library_books.book_tags",
    ),
    "an index that includes less": (
        "DROP INDEX book_included; CREATE UNIQUE INDEX book_included ON library_books (isbn)",
        "wrong_index",
        "public.library_books.book_included",
    ),
    "an index with other options": (
        "ALTER INDEX book_brin SET (pages_per_range = 32)",
        "wrong_index",
        "public.library_books.book_brin",
    ),
    "an index that is not unique any more": (
        (
            "DROP INDEX book_isbn_printed;"
            " CREATE INDEX book_isbn_printed ON library_books (isbn) WHERE state = 'printed'"
        ),
        "wrong_index",
        "public.library_books.book_isbn_printed",
    ),
    "an invalid index": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'book_hash'::regclass",
        "invalid_index",
        "public.book_hash",
    ),
    "an index added": (
        "CREATE INDEX by_hand ON gallery_novel (hero)",
        "extra_index",
        "public.gallery_novel.by_hand",
    ),
    "a generated column of another expression": (
        (
            "ALTER TABLE library_books DROP COLUMN shout, ADD COLUMN shout text"
            " GENERATED ALWAYS AS (lower(title)) STORED"
        ),
        "wrong_generated",
        "public.library_books.shout",
    ),
    "a generated column that is generated no more": (
        "ALTER TABLE library_books ALTER COLUMN shout DROP EXPRESSION",
        "wrong_generated",
        "public.library_books.shout",
    ),
    "an identity dropped": (
        "ALTER TABLE gallery_genre ALTER COLUMN id DROP IDENTITY",
        "wrong_identity",
        "public.gallery_genre.id",
    ),
    "an identity that refuses given values": (
        "ALTER TABLE gallery_genre ALTER COLUMN id SET GENERATED ALWAYS",
        "wrong_identity",
        "public.gallery_genre.id",
    ),
    "a sequence of nobody": (
        "CREATE SEQUENCE nobodys",
        "extra_sequence",
        "public.nobodys",
    ),
    "a comment changed": (
        "COMMENT ON COLUMN gallery_person.biography IS 'Something else.'",
        "wrong_comment",
        "public.gallery_person.biography",
    ),
    "a table's comment dropped": (
        'COMMENT ON TABLE "houses of publishing" IS NULL',
        "wrong_comment",
        "public.houses of publishing",
    ),
    "another collation": (
        'ALTER TABLE gallery_person ALTER COLUMN iban TYPE varchar(34) COLLATE "POSIX"',
        "wrong_collation",
        "public.gallery_person.iban",
    ),
    "a table of many-to-many dropped": (
        "DROP TABLE gallery_book_kind",
        "missing_table",
        "public.gallery_book_kind",
    ),
    "a table in another schema dropped": (
        "DROP TABLE archive.record",
        "missing_table",
        "archive.record",
    ),
    "a rogue table": ("CREATE TABLE rogue (id int)", "extra_table", "public.rogue"),
    "a migration recorded without a file": (
        "INSERT INTO django_migrations (app, name, applied) VALUES ('gallery', '0009_lost', now())",
        "migration_missing",
        "django_migrations.gallery.0009_lost",
    ),
    "a migration of no application": (
        "INSERT INTO django_migrations (app, name, applied) VALUES ('gone', '0001_initial', now())",
        "migration_missing",
        "django_migrations.gone.0001_initial",
    ),
    "a migration that is not recorded": (
        "DELETE FROM django_migrations WHERE app = 'gallery' AND name = '0003_now'",
        "migration_unapplied",
        "django_migrations.gallery.0003_now",
    ),
    "a migration recorded before another": (
        "DELETE FROM django_migrations WHERE app = 'gallery' AND name = '0002_changed'",
        "migration_inconsistent",
        "django_migrations.gallery.0003_now",
    ),
}
