"""Tables of every kind."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import BrinIndex, BTreeIndex, GinIndex, HashIndex, OpClass
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, Now, Upper
from django.db.models.lookups import GreaterThan

from apps.database.keys import UUIDKeyed


class Person(models.Model):
    """Was called Writer: its table, keys and sequence were renamed, or kept their names."""

    name = models.CharField(max_length=100, unique=True)
    nickname = models.CharField(max_length=50, db_index=True, blank=True)
    # Was called years, an ordinary integer.
    age = models.PositiveIntegerField(null=True)
    code = models.SlugField(max_length=30, null=True, unique=True)
    biography = models.TextField(blank=True, db_comment="What is printed on the cover's flap.")
    iban = models.CharField(max_length=34, db_collation="C", default="")
    friends = models.ManyToManyField("self")


class Publisher(UUIDKeyed):
    """A key that PostgreSQL can make too, and defaults of the database."""

    name = models.CharField(max_length=200, db_default="nobody's")
    founded = models.DateTimeField(db_default=Now())
    rating = models.DecimalField(max_digits=5, decimal_places=2, db_default=Value(1.5))
    active = models.BooleanField(db_default=True)
    details = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    countries = ArrayField(models.CharField(max_length=2), default=list)
    grid = ArrayField(ArrayField(models.IntegerField(), size=3), null=True)

    class Meta:
        db_table = "houses of publishing"
        db_table_comment = "Those who print; it's a table with spaces in its name."


class Book(models.Model):
    """Every kind of index and constraint."""

    title = models.CharField(max_length=200)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, db_column="written_by")
    reviewer = models.ForeignKey(
        Person, on_delete=models.SET_NULL, null=True, to_field="name", related_name="reviews"
    )
    publisher = models.ForeignKey(Publisher, on_delete=models.PROTECT, db_constraint=False)
    isbn = models.CharField(max_length=13)
    pages = models.PositiveSmallIntegerField(default=0)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    net = models.GeneratedField(
        expression=F("price") * Value(0.81),
        output_field=models.DecimalField(max_digits=10, decimal_places=4),
        db_persist=True,
    )
    shout = models.GeneratedField(
        expression=Upper("title"), output_field=models.TextField(), db_persist=True
    )
    state = models.CharField(max_length=10, default="draft")
    tags = models.JSONField(default=dict)
    lent = DateTimeRangeField(null=True)
    shelf = models.IntegerField(default=1)
    place = models.IntegerField(default=1)
    created = models.DateTimeField(auto_now_add=True)
    genres = models.ManyToManyField("Genre", db_table="gallery_book_kind")

    class Meta:
        db_table = "library_books"
        unique_together = (("shelf", "place"),)
        indexes = (
            models.Index(fields=["-created", "title"], name="book_newest"),
            models.Index(Lower("title").desc(), "price", name="book_lower"),
            models.Index(fields=["state"], condition=~Q(state="sold"), name="book_unsold"),
            models.Index(fields=["author"], include=["title"], name="book_cover"),
            models.Index(OpClass(Lower("isbn"), name="text_pattern_ops"), name="book_isbn_like"),
            models.Index(F("title").desc(nulls_last=True), name="book_title_last"),
            GinIndex(fields=["tags"], name="book_tags", opclasses=["jsonb_path_ops"]),
            GinIndex(fields=["tags"], name="book_tags_slow", fastupdate=False),
            HashIndex(fields=["isbn"], name="book_hash"),
            BrinIndex(fields=["created"], name="book_brin", pages_per_range=16),
            BTreeIndex(fields=["price"], name="book_price", fillfactor=70),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=["draft", "printed", "sold"]), name="book_state"
            ),
            models.CheckConstraint(
                condition=Q(price__gte=0, price__lt=10000) | Q(state="draft"), name="book_price_ok"
            ),
            models.CheckConstraint(
                condition=GreaterThan(F("pages"), -1) & ~Q(title=""), name="book_pages"
            ),
            models.CheckConstraint(condition=Q(title__startswith="100%"), name="book_percent"),
            models.UniqueConstraint(
                fields=["isbn"], condition=Q(state="printed"), name="book_isbn_printed"
            ),
            models.UniqueConstraint(Lower("title"), "author", name="book_title_once"),
            models.UniqueConstraint(
                fields=["title", "price"], deferrable=models.Deferrable.DEFERRED, name="book_late"
            ),
            models.UniqueConstraint(
                fields=["title", "pages"], deferrable=models.Deferrable.IMMEDIATE, name="book_soon"
            ),
            models.UniqueConstraint(fields=["isbn"], include=["title"], name="book_included"),
            models.UniqueConstraint(
                fields=["isbn", "state"], opclasses=["varchar_pattern_ops"] * 2, name="book_classes"
            ),
            models.UniqueConstraint(fields=["lent", "shelf"], name="book_plain"),
            ExclusionConstraint(
                name="book_lent_once",
                expressions=[("lent", RangeOperators.OVERLAPS)],
                condition=Q(state="sold"),
                deferrable=models.Deferrable.DEFERRED,
            ),
        )


class Novel(Book):
    """Inherits its table's key from another table."""

    hero = models.CharField(max_length=100)


class Sold(Book):
    class Meta:
        proxy = True


class Genre(models.Model):
    id = models.SmallAutoField(primary_key=True)
    label = models.TextField(unique=True)
    parent = models.OneToOneField("self", on_delete=models.CASCADE, null=True)


class Old(models.Model):
    """A view of somebody else."""

    name = models.TextField()

    class Meta:
        managed = False
        db_table = "gallery_old_view"


class OldTable(models.Model):
    """A table of somebody else, which only some columns are wanted of."""

    name = models.TextField()

    class Meta:
        managed = False
        db_table = "elsewhere"


class Swapped(models.Model):
    """Another model takes its place."""

    name = models.TextField()
    genres = models.ManyToManyField(Genre)

    class Meta:
        swappable = "GALLERY_SWAPPED_MODEL"


class Archived(models.Model):
    """In a schema of its own, which the search path does not hold."""

    what = models.TextField()
    person = models.ForeignKey(Person, on_delete=models.CASCADE)

    class Meta:
        db_table = 'archive"."record'


class Seat(models.Model):
    """A key of two columns."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()


class Membership(models.Model):
    """Was made by Club.members without a model; then told apart from the database."""

    # Tables of many-to-many fields without a model count in this way.
    id = models.AutoField(primary_key=True)
    club = models.ForeignKey("Club", on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    since = models.DateField(null=True)

    class Meta:
        db_table = "gallery_club_members"
        unique_together = (("club", "person"),)


class Club(models.Model):
    """Its search column and another index are made by SQL that models cannot say."""

    name = models.CharField(max_length=80)
    members = models.ManyToManyField(Person, through=Membership)
