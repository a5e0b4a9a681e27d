"""What the rehearsal must say of every migration of the corpus, and nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    verdict: str
    hazards: set[str]
    reversible: str | None


def _harmless() -> Expected:
    return Expected("safe", set(), "reversible")


def _unsafe(*hazards: str, reversible: str | None = "reversible") -> Expected:
    return Expected("unsafe", set(hazards), reversible)


def _caution(*hazards: str, reversible: str | None = "reversible") -> Expected:
    return Expected("caution", set(hazards), reversible)


LOCKED = "scans_under_exclusive_lock"
EXPECTED = {
    "0002_add_nullable_field": _harmless(),
    "0003_add_field_with_database_default": _harmless(),
    "0004_add_index_concurrently": _harmless(),
    "0005_create_model_with_foreign_key": _harmless(),
    "0006_widen_text": _harmless(),
    "0007_constrain_not_valid": _harmless(),
    "0008_validate_constraint": _harmless(),
    "0009_fill_in_batches": _harmless(),
    "0010_state_only": _harmless(),
    "0011_text_without_length": _harmless(),
    "0012_index_on_small_table": _harmless(),
    "0013_not_null_prove_first": _harmless(),
    "0014_not_null_validate": _harmless(),
    "0015_not_null_after_proof": _harmless(),
    "0016_rename_in_python_only": _harmless(),
    "0017_remove_index_concurrently": _harmless(),
    "0018_change_a_few_rows": _harmless(),
    "0019_index_on_new_table": _harmless(),
    "0020_insert_rows": _harmless(),
    "0021_index_blocks_writes": _unsafe("blocks_writes"),
    # The column's lock is still held when its index is built.
    "0022_foreign_key_field": _unsafe(LOCKED),
    "0023_foreign_key_on_rows": _unsafe("blocks_writes"),
    "0024_required_field": _unsafe("breaks_old_code"),
    "0025_unique_field": _unsafe(LOCKED),
    "0026_not_null": _unsafe(LOCKED, "breaks_old_code"),
    "0027_wider_integer": _unsafe("rewrites_table"),
    "0028_check_at_once": _unsafe(LOCKED),
    "0029_unique_at_once": _unsafe(LOCKED),
    "0030_rename_field": _unsafe("breaks_old_code"),
    "0031_rename_model": _unsafe("breaks_old_code"),
    "0032_remove_filled_field": _unsafe(
        "drops_filled_column", "lossy_reverse", "breaks_old_code", reversible="lossy"
    ),
    "0033_remove_empty_field": _unsafe("breaks_old_code"),
    "0034_delete_filled_model": _unsafe(
        "loses_rows", "lossy_reverse", "breaks_old_code", reversible="lossy"
    ),
    "0035_delete_empty_model": _unsafe("breaks_old_code"),
    "0036_delete_rows": _unsafe("loses_rows", "lossy_reverse", reversible="lossy"),
    "0037_empty_table": _unsafe("loses_rows", "lossy_reverse", reversible="lossy"),
    "0038_overwrite_values": _caution("lossy_reverse", reversible="lossy"),
    "0039_update_all_at_once": _caution("changes_many_rows_at_once"),
    "0040_schema_and_rows_together": _unsafe(
        "changes_rows_under_lock", "changes_many_rows_at_once"
    ),
    "0041_no_way_back": _unsafe("irreversible", reversible="irreversible"),
    "0042_declared_no_way_back": _caution("declared_irreversible", reversible="irreversible"),
    "0043_shrink_text": _unsafe(
        "rewrites_table", "lossy_reverse", "breaks_old_code", reversible="lossy"
    ),
    "0044_random_default": _unsafe("rewrites_table"),
    "0045_generated_column": _unsafe("rewrites_table"),
    "0046_half_done": _unsafe("crash_leaves_half"),
    "0047_reverse_forgets": _unsafe("reverse_differs"),
    "0048_unique_on_duplicates": _unsafe("fails", reversible=None),
}
