"""Every variable of the environment, as it is read, shown in `.env.example` and documented."""

from dataclasses import dataclass

ROLES = ("app", "owner", "auditor", "admin")
ASSESSED = "ASSESS_DATABASE_URL"


@dataclass(frozen=True)
class Variable:
    """One variable of the environment, as `.env.example` and the documentation show it."""

    name: str
    help: str
    default: str | None = None
    secret: bool = False


def prefix_of(role: str) -> str:
    """The first part of a role's variables: `DATABASE` for app, `DATABASE_OWNER` for owner."""
    return "DATABASE" if role == "app" else f"DATABASE_{role.upper()}"


def address_variables(role: str) -> list[Variable]:
    """The variables of a role: its address, or the parts of one."""
    prefix = prefix_of(role)
    return [
        Variable(f"{prefix}_URL", f"Address of the database as the {role} role.", secret=True),
        Variable(f"{prefix}_HOST", f"Host or socket folder for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_PORT", f"Port for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_NAME", f"Database name for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_USER", f"User for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_PASSWORD", f"Password for {role}, with the parts.", secret=True),
        Variable(f"{prefix}_PASSWORD_FILE", f"File that holds the password for {role}."),
        Variable(f"{prefix}_SSLMODE", f"sslmode for {role}, with the parts."),
        Variable(f"{prefix}_SSLROOTCERT", f"File of the certificate authority for {role}."),
    ]


# The jobs that fall due by themselves: their names, what they do, and when unless told otherwise.
SCHEDULED = (
    ("assess", "judges the database", "7 * * * *"),
    ("backup", "makes a backup", "10 1 * * *"),
    ("verify", "proves the newest backup", "10 2 * * *"),
    ("copy", "copies backups to the second place, where there is one", "10 3 * * *"),
    ("prune", "deletes the backups that are kept no longer", "10 4 * * *"),
)

VARIABLES: tuple[Variable, ...] = (
    Variable(
        "ENVIRONMENT", "production, development or test. Missing means production.", "production"
    ),
    Variable("SECRET_KEY", "Django's signing key: at least 50 random characters.", secret=True),
    Variable("SECRET_KEY_FILE", "File that holds the signing key, instead of SECRET_KEY."),
    Variable("DEBUG", "Django's debug pages: true or false; refused in production.", "false"),
    Variable("ALLOWED_HOSTS", "Host names that the site answers to, separated by commas."),
    Variable("CSRF_TRUSTED_ORIGINS", "Origins trusted for forms, such as https://a.example.", ""),
    Variable("TLS_PROXY", "true when a proxy that ends TLS sets X-Forwarded-Proto.", "false"),
    Variable("HSTS_SECONDS", "How long browsers must insist on HTTPS, in production.", "31536000"),
    Variable("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR.", "INFO"),
    Variable("LOG_FORMAT", "line, json, or auto: json in production, line elsewhere.", "auto"),
    *(variable for role in ROLES for variable in address_variables(role)),
    Variable(
        ASSESSED,
        "Address of a database that is not this project's, for assess to judge.",
        secret=True,
    ),
    Variable(
        "DATABASE_SSLMODE_MINIMUM",
        "Weakest TLS that production accepts: verify-full, verify-ca or require.",
        "verify-full",
    ),
    Variable(
        "DATABASE_PLAINTEXT_HOST",
        "The one host of a private network that may be reached without TLS; SEC-004.2 fails of it.",
    ),
    Variable("DATABASE_POOL", "persistent, native or pgbouncer.", "persistent"),
    Variable("DATABASE_POOL_SIZE", "Connections a process should need (native).", "5"),
    Variable("DATABASE_POOL_MAX_OVERFLOW", "Connections beyond that under load (native).", "10"),
    Variable("DATABASE_POOL_TIMEOUT", "Seconds a request waits for a connection (native).", "3"),
    Variable("DATABASE_CONN_MAX_AGE", "Seconds that a persistent connection lives.", "60"),
    Variable("DATABASE_CONNECT_RETRY", "Seconds that connecting is tried again; 0 never.", "1"),
    Variable("DATABASE_CONNECT_TIMEOUT", "Seconds to wait for the server to accept.", "3"),
    Variable("DATABASE_STATEMENT_TIMEOUT", "Seconds that one statement of app may take.", "10"),
    Variable("DATABASE_LOCK_TIMEOUT", "Seconds that a statement waits for a lock.", "5"),
    Variable("DATABASE_IDLE_TIMEOUT", "Seconds that a transaction may stay idle.", "60"),
    Variable("BACKUP_STORAGE", "file (a folder of this machine) or s3 (a bucket).", "file"),
    Variable("BACKUP_DIR", "Folder of the backups.", "var/backups"),
    Variable("BACKUP_S3_BUCKET", "Bucket of the backups."),
    Variable("BACKUP_S3_PREFIX", "Folder inside the bucket."),
    Variable("BACKUP_S3_ENDPOINT", "Address of an S3 server that is not Amazon's."),
    Variable("BACKUP_S3_REGION", "Region of the bucket."),
    Variable("BACKUP_S3_KEY_ID", "Name of the access key for the bucket."),
    Variable("BACKUP_S3_SECRET", "Secret of the access key for the bucket.", secret=True),
    Variable("BACKUP_S3_SECRET_FILE", "File that holds the secret of the access key."),
    Variable("BACKUP_AGE_RECIPIENTS", "Public age keys that backups are encrypted to."),
    Variable("BACKUP_AGE_IDENTITY", "Secret age key that backups are read with.", secret=True),
    Variable("BACKUP_AGE_IDENTITY_FILE", "File that holds the secret age keys, one a line."),
    Variable("BACKUP_TIMEOUT", "Seconds that making a backup may take.", "21600"),
    Variable("BACKUP_RESTORE_TIMEOUT", "Seconds that a restore may take.", "21600"),
    Variable("BACKUP_KEEP_DAYS", "Days that every backup is kept.", "2"),
    Variable("BACKUP_KEEP_DAILY", "Days of which the newest backup is kept.", "7"),
    Variable("BACKUP_KEEP_WEEKLY", "Weeks of which the newest backup is kept.", "5"),
    Variable("BACKUP_KEEP_MONTHLY", "Months of which the newest backup is kept.", "12"),
    Variable("BACKUP_OFFSITE_DIR", "Folder of another machine, for copies of the backups."),
    Variable("BACKUP_OFFSITE_BUCKET", "Bucket for copies of the backups; BACKUP_S3_… reach it."),
    Variable("BACKUP_PROVIDER", "Whose own backups are relied upon too, such as Railway."),
    *(
        Variable(
            f"JOB_{name.upper()}",
            f"When the worker {does}: five fields of cron, UTC, or off.",
            cron,
        )
        for name, does, cron in SCHEDULED
    ),
    Variable("RUNTIME_DIR", "Folder where web processes publish their statistics.", "var/run"),
    Variable("HEALTH_TOKEN", "Token that opens /health/ to programs.", secret=True),
    Variable("HEALTH_TOKEN_FILE", "File that holds the token of /health/."),
    Variable("METRICS_TOKEN", "Token that opens /metrics.", secret=True),
    Variable("METRICS_TOKEN_FILE", "File that holds the token of /metrics."),
    Variable("METRICS_ADDRESSES", "IP addresses and networks that may read /metrics without it."),
    Variable("SLOW_QUERY_MS", "Milliseconds from which a query counts as slow.", "500"),
    Variable("WEB_INTERFACE", "wsgi (threads) or asgi (an event loop; needs a pool).", "wsgi"),
    Variable("PORT", "Port that the web server listens on.", "8000"),
    Variable("WEB_HOST", "Address that the web server listens on.", "127.0.0.1"),
    Variable("WEB_CONCURRENCY", "Worker processes of the web server.", "2"),
    Variable("WEB_THREADS", "Threads in each worker process.", "4"),
    Variable("WEB_REPLICAS", "Machines or containers that run the web server.", "1"),
)

# libpq reads its own variables for whatever an address leaves open. What an address says itself
# is forgotten, because platforms and shells set it; what would add to an address is refused.
LIBPQ_FORGOTTEN = (
    *("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"),
    *("PGAPPNAME", "PGCLIENTENCODING", "PGCONNECT_TIMEOUT"),
)
LIBPQ_REFUSED = (
    *("PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGPASSFILE", "PGOPTIONS", "PGHOSTADDR"),
    *("PGSSLMODE", "PGSSLNEGOTIATION", "PGSSLCOMPRESSION", "PGREQUIRESSL", "PGSSLROOTCERT"),
    *("PGSSLCERT", "PGSSLKEY", "PGSSLCERTMODE", "PGSSLCRL", "PGSSLCRLDIR", "PGSSLSNI"),
    *("PGSSLMINPROTOCOLVERSION", "PGSSLMAXPROTOCOLVERSION", "PGMINPROTOCOLVERSION"),
    *("PGMAXPROTOCOLVERSION", "PGCHANNELBINDING", "PGREQUIREAUTH", "PGREQUIREPEER"),
    *("PGGSSENCMODE", "PGGSSLIB", "PGGSSDELEGATION", "PGKRBSRVNAME", "PGREALM"),
    *("PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS", "PGTZ", "PGDATESTYLE", "PGGEQO"),
)
