"""The tables of the register; near spelling needs the trigram extension first."""

import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

import apps.database.keys
import apps.risks.models.risk


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        TrigramExtension(),
        migrations.CreateModel(
            name="Profile",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("key", models.CharField(help_text="The story, such as 1.3.", max_length=100)),
                (
                    "slug",
                    models.CharField(
                        help_text="The key as it stands in addresses.", max_length=100
                    ),
                ),
                ("title", models.TextField()),
                (
                    "methodology",
                    models.CharField(
                        choices=[("bmad-4", "bmad-4"), ("bmad-6", "bmad-6")], max_length=20
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("key",),
                "constraints": [
                    models.UniqueConstraint(fields=("key",), name="risks_profile_key_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Revision",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("source_name", models.TextField(help_text="The name of the imported file.")),
                ("source_text", models.TextField()),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("full", "full"),
                            ("partial", "partial"),
                            ("unstructured", "unstructured"),
                        ],
                        max_length=20,
                    ),
                ),
                ("title", models.TextField()),
                ("date", models.DateField(blank=True, null=True)),
                ("date_stated", models.TextField(blank=True)),
                ("reviewer", models.TextField(blank=True)),
                ("summary", models.TextField(blank=True)),
                ("risks_stated", models.PositiveIntegerField(blank=True, null=True)),
                ("story_score_stated", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "story_score",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="By the method; empty where a risk is not rated.",
                        null=True,
                    ),
                ),
                ("gate_stated", models.CharField(blank=True, max_length=10)),
                (
                    "gate",
                    models.CharField(
                        blank=True, help_text="By the method, from P × I alone.", max_length=10
                    ),
                ),
                ("tiers_stated", models.JSONField(blank=True, default=dict)),
                ("categories_stated", models.JSONField(blank=True, default=list)),
                ("imported_at", models.DateTimeField(auto_now_add=True)),
                (
                    "profile",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="revisions",
                        to="risks.profile",
                    ),
                ),
            ],
            options={
                "ordering": ("profile__key", "-number"),
            },
        ),
        migrations.CreateModel(
            name="ReviewTrigger",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "review_triggers",
            },
        ),
        migrations.CreateModel(
            name="MonitoringItem",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                (
                    "heading",
                    models.TextField(blank=True, help_text="The group that the item stands in."),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "monitoring_items",
            },
        ),
        migrations.CreateModel(
            name="ImmediateAction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "immediate_actions",
            },
        ),
        migrations.CreateModel(
            name="DocumentationRequirement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "documentation_requirements",
            },
        ),
        migrations.CreateModel(
            name="ComponentGroup",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("count_stated", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "codes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "component_groups",
            },
        ),
        migrations.CreateModel(
            name="AcceptanceCriterion",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                (
                    "tier",
                    models.CharField(
                        choices=[
                            ("must_fix", "must be fixed before production"),
                            ("can_deploy", "can be deployed with mitigation"),
                            ("accepted", "accepted"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "codes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=100),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "points",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "acceptance criteria",
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "acceptance_criteria",
            },
        ),
        migrations.CreateModel(
            name="Risk",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=100)),
                (
                    "occurrence",
                    models.PositiveIntegerField(
                        default=1,
                        help_text="Tells rows of one code in a roll-up of several stories apart.",
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("category", models.TextField(blank=True)),
                ("title", models.TextField()),
                ("description", models.TextField(blank=True)),
                ("probability", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("impact", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "score",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.expressions.CombinedExpression(
                            models.F("probability"), "*", models.F("impact")
                        ),
                        output_field=models.PositiveSmallIntegerField(null=True),
                    ),
                ),
                ("priority", models.CharField(blank=True, max_length=10)),
                ("probability_stated", models.TextField(blank=True)),
                ("impact_stated", models.TextField(blank=True)),
                ("score_text", models.TextField(blank=True)),
                ("score_stated", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("priority_stated", models.TextField(blank=True)),
                ("residual_level", models.CharField(blank=True, max_length=10)),
                ("residual", models.TextField(blank=True)),
                (
                    "affected",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), blank=True, default=list, size=None
                    ),
                ),
                ("origin", models.TextField(blank=True)),
                ("cells", models.JSONField(blank=True, default=list)),
                ("line", models.PositiveIntegerField(default=1)),
                ("has_detail", models.BooleanField(default=False)),
                (
                    "is_draft",
                    models.BooleanField(
                        default=False,
                        help_text="Made from a document without structure; a person completes it.",
                    ),
                ),
                (
                    "notes",
                    models.TextField(
                        blank=True, help_text="What people add; an import never writes it."
                    ),
                ),
                (
                    "search_vector",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.contrib.postgres.search.CombinedSearchVector(
                            django.contrib.postgres.search.CombinedSearchVector(
                                django.contrib.postgres.search.SearchVector(
                                    "code", config="english", weight="A"
                                ),
                                "||",
                                django.contrib.postgres.search.SearchVector(
                                    django.db.models.functions.text.Left("title", 2000),
                                    config="english",
                                    weight="A",
                                ),
                                django.contrib.postgres.search.SearchConfig("english"),
                            ),
                            "||",
                            django.contrib.postgres.search.SearchVector(
                                django.db.models.functions.text.Left("description", 50000),
                                config="english",
                                weight="B",
                            ),
                            django.contrib.postgres.search.SearchConfig("english"),
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="risks",
                        to="risks.revision",
                    ),
                ),
            ],
            options={
                "ordering": ("revision", "position"),
            },
        ),
        migrations.CreateModel(
            name="PriorityTest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("priority", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "heading",
                    models.TextField(blank=True, help_text="The label that the test stands under."),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="risks.revision"
                    ),
                ),
                (
                    "risk",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="risks.risk",
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "priority_tests",
            },
        ),
        migrations.CreateModel(
            name="Mitigation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "heading",
                    models.TextField(
                        blank=True, help_text="The group that the item stands in, if any."
                    ),
                ),
                ("text", models.TextField()),
                (
                    "risk",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="risks.risk"),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "mitigations",
            },
        ),
        migrations.CreateModel(
            name="Discrepancy",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(choices=apps.risks.models.risk.kind_choices, max_length=40),
                ),
                ("where", models.TextField(blank=True, help_text="The section of the document.")),
                ("line", models.PositiveIntegerField()),
                ("subject", models.TextField(blank=True, help_text="Of what the values are.")),
                ("stated", models.TextField()),
                ("computed", models.TextField()),
                (
                    "resolution",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("stated", "the stated value holds"),
                            ("computed", "the computed value holds"),
                        ],
                        help_text="Empty until a person decides; until then the worse value counts.",
                        max_length=10,
                    ),
                ),
                ("resolution_note", models.TextField(blank=True)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discrepancies",
                        to="risks.revision",
                    ),
                ),
                (
                    "risk",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="discrepancies",
                        to="risks.risk",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "discrepancies",
                "ordering": ("revision", "position"),
            },
        ),
        migrations.CreateModel(
            name="Component",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "heading",
                    models.TextField(
                        blank=True, help_text="The group that the item stands in, if any."
                    ),
                ),
                ("text", models.TextField()),
                (
                    "risk",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="risks.risk"),
                ),
            ],
            options={
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "components",
            },
        ),
        migrations.CreateModel(
            name="TestingFocus",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                (
                    "heading",
                    models.TextField(
                        blank=True, help_text="The group that the item stands in, if any."
                    ),
                ),
                ("text", models.TextField()),
                (
                    "risk",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="risks.risk"),
                ),
            ],
            options={
                "verbose_name_plural": "testing focus",
                "ordering": ("position",),
                "abstract": False,
                "default_related_name": "testing_focus",
            },
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.UniqueConstraint(
                fields=("profile", "number"), name="risks_revision_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1)), name="risks_revision_number_from_1"
            ),
        ),
        migrations.AddIndex(
            model_name="risk",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_vector"], name="risks_risk_search"
            ),
        ),
        migrations.AddIndex(
            model_name="risk",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["title"], name="risks_risk_title_near", opclasses=("gin_trgm_ops",)
            ),
        ),
        migrations.AddIndex(
            model_name="risk",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["affected"], name="risks_risk_affected"
            ),
        ),
        migrations.AddConstraint(
            model_name="risk",
            constraint=models.UniqueConstraint(
                fields=("code", "revision", "occurrence"), name="risks_risk_code_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="risk",
            constraint=models.CheckConstraint(
                condition=models.Q(("probability__range", (1, 3))),
                name="risks_risk_probability_1_to_3",
            ),
        ),
        migrations.AddConstraint(
            model_name="risk",
            constraint=models.CheckConstraint(
                condition=models.Q(("impact__range", (1, 3))), name="risks_risk_impact_1_to_3"
            ),
        ),
        migrations.AddConstraint(
            model_name="prioritytest",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__range", (1, 3))),
                name="risks_prioritytest_priority_1_to_3",
            ),
        ),
    ]
