"""Where backups go, and to whom they are encrypted, as the environment says."""

from typing import Any

from config.env import BASE_DIR, ConfigurationError, Environment
from config.tokens import secret_text

STORAGES = ("file", "s3")


def backup_storage_entry(env: Environment) -> dict[str, Any]:
    """The STORAGES entry of the backups: a folder of this machine, or a bucket."""
    if env.choice("BACKUP_STORAGE", STORAGES) == "s3":
        return {"BACKEND": "apps.backups.elsewhere.BucketStorage", "OPTIONS": _bucket(env)}
    return _folder(env.text("BACKUP_DIR") or "var/backups")


def offsite_storage_entries(env: Environment) -> dict[str, Any]:
    """The STORAGES entry of the backups' copies, called `offsite`; {} without a second place."""
    folder, bucket = env.text("BACKUP_OFFSITE_DIR"), env.text("BACKUP_OFFSITE_BUCKET")
    if folder and bucket:
        raise ConfigurationError(
            "BACKUP_OFFSITE_DIR and BACKUP_OFFSITE_BUCKET are both set; expected one."
        )
    if folder:
        return {"offsite": _folder(folder)}
    if bucket:
        options = _bucket(env, bucket)
        return {"offsite": {"BACKEND": "apps.backups.elsewhere.BucketStorage", "OPTIONS": options}}
    return {}


def _folder(path: str) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(BASE_DIR / path),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def _bucket(env: Environment, name: str | None = None) -> dict[str, Any]:
    endpoint = env.text("BACKUP_S3_ENDPOINT")
    if endpoint and not endpoint.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ConfigurationError(
            f"BACKUP_S3_ENDPOINT is {endpoint[:80]!r}; expected an address that begins with "
            "https://, or one of this machine."
        )
    options: dict[str, Any] = {
        "bucket_name": name
        or env.required("BACKUP_S3_BUCKET", "BACKUP_STORAGE is s3; expected the bucket's name."),
        "location": (env.text("BACKUP_S3_PREFIX") or "").strip("/"),
        "endpoint_url": endpoint,
        "region_name": env.text("BACKUP_S3_REGION"),
        "default_acl": None,
        "file_overwrite": False,
    }
    key, secret = env.text("BACKUP_S3_KEY_ID"), secret_text(env, "BACKUP_S3_SECRET")
    # Without both, boto3 looks for the credentials that the platform gives to the machine.
    if key and secret:
        options |= {"access_key": key, "secret_key": secret}
    return options


def age_recipients(env: Environment) -> list[str]:
    """The public keys that backups are encrypted to; none means that they are not."""
    recipients = env.listing("BACKUP_AGE_RECIPIENTS")
    for recipient in recipients:
        if not recipient.startswith("age1"):
            shown = "a secret key" if "SECRET" in recipient.upper() else repr(recipient[:80])
            raise ConfigurationError(
                f"BACKUP_AGE_RECIPIENTS holds {shown}; expected public keys that begin with age1, "
                "separated by commas."
            )
    return recipients


def age_identity(env: Environment) -> str | None:
    """The secret keys that backups are read with, one a line; making backups needs none."""
    return secret_text(env, "BACKUP_AGE_IDENTITY")
