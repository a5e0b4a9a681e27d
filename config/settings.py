"""Every setting once, top to bottom, driven by the environment."""

from config.backups import (
    age_identity,
    age_recipients,
    backup_storage_entry,
    offsite_storage_entries,
)
from config.database import (
    MINIMUMS,
    SESSION_TIME_ZONE,
    assessed_entry,
    database_entry,
    pool_mode,
    session_settings,
)
from config.env import BASE_DIR, INTERFACES, ConfigurationError, load_environment, read_text
from config.tls import plaintext_host
from config.tokens import networks, token
from config.variables import ASSESSED, ROLES, SCHEDULED

env = load_environment()

# What kind of process this is. A missing ENVIRONMENT means production: forgetting closes doors.
ENVIRONMENT = env.choice("ENVIRONMENT", ("production", "development", "test"))
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.boolean("DEBUG")
if DEBUG and PRODUCTION:
    raise ConfigurationError("DEBUG is true and ENVIRONMENT is production; remove DEBUG.")

_key_file = env.text("SECRET_KEY_FILE")
if _key_file and env.is_set("SECRET_KEY"):
    raise ConfigurationError("SECRET_KEY and SECRET_KEY_FILE are both set; expected one.")
SECRET_KEY = (
    read_text(BASE_DIR / _key_file, "SECRET_KEY_FILE").strip()
    if _key_file
    else env.required(
        "SECRET_KEY",
        "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(50))'. "
        "In a development clone, `make run` writes it to .env.",
    )
)
if PRODUCTION and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5):
    raise ConfigurationError(
        f"SECRET_KEY has {len(SECRET_KEY)} characters; expected at least 50 random ones."
    )

# Hosts and forms
ALLOWED_HOSTS = env.listing("ALLOWED_HOSTS")
if not ALLOWED_HOSTS and PRODUCTION:
    raise ConfigurationError(
        "ALLOWED_HOSTS is not set; expected the site's host names, separated by commas."
    )
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.listing("CSRF_TRUSTED_ORIGINS")

# Applications, from facts to voices
INSTALLED_APPS = [
    "apps.accounts",
    "apps.database",
    "apps.backups.apps.BackupsConfig",
    "apps.schema",
    "apps.controls",
    "apps.risks",
    "apps.monitoring.apps.MonitoringConfig",
    "apps.web",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "apps.backups.apps.BackupLibraryConfig",
    "apps.monitoring.apps.QueueConfig",
    "health_check",
    "csp",
]
MIDDLEWARE = [
    "apps.database.request_id.request_id_middleware",
    "apps.database.resilience.OutageMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "apps.monitoring.probes.ProbeMiddleware",
    "apps.web.static.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "apps.web.impossible.ImpossibleValueMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Databases. Django's aliases hold app only; a command that needs another role takes it on.
_entries = {role: database_entry(env, role) for role in ROLES}
_default = _entries.pop("app")
if _default is None:
    raise ConfigurationError(
        "DATABASE_URL is not set; expected postgresql://USER:PASSWORD@HOST:PORT/NAME, "
        "or the parts DATABASE_HOST, DATABASE_NAME, DATABASE_USER and DATABASE_PASSWORD."
    )
DATABASES = {"default": _default}
# Behind PgBouncer the settings of app's sessions live on the role itself.
DATABASE_APP_SETTINGS = tuple(session_settings(env, "app"))
DATABASE_POOL_MODE = pool_mode(env)
DATABASE_POOL_SIZE = env.integer("DATABASE_POOL_SIZE", minimum=1, maximum=1000)
DATABASE_SSLMODE_MINIMUM = env.choice("DATABASE_SSLMODE_MINIMUM", MINIMUMS)
DATABASE_PLAINTEXT_HOST = plaintext_host(env)
DATABASE_ROLES = {role: entry for role, entry in _entries.items() if entry is not None}

# A database that is not the project's, for `assess` to judge
_address = env.text(ASSESSED)
ASSESSED_DATABASE = assessed_entry(_address, ASSESSED, env) if _address else None

# Seconds after which a transaction counts as left open: one of the service, and one of a command,
# such as a backup or a migration
LONG_TRANSACTION_SECONDS = 60
LONG_COMMAND_SECONDS = 3600

# How many days the server must have counted before what it never counted is called unused
STATISTICS_DAYS = 30

# How many processes and threads serve, which decides how many connections they can ask for
WEB_INTERFACE = env.choice("WEB_INTERFACE", INTERFACES)
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", minimum=1, maximum=1000)
WEB_THREADS = env.integer("WEB_THREADS", minimum=1, maximum=1000)
WEB_REPLICAS = env.integer("WEB_REPLICAS", minimum=1, maximum=10000)

# Where each web process publishes how it uses its connections
RUNTIME_DIR = BASE_DIR / (env.text("RUNTIME_DIR") or "var/run")

# People
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
# In development anyone may read the register; in production reading needs a login.
READING_NEEDS_LOGIN = PRODUCTION

# Transport security. Proxies are trusted only when asked for.
if env.boolean("TLS_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = PRODUCTION
# Probes speak plain HTTP from inside the platform.
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", minimum=0, maximum=63072000) if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
}

# Reports of errors never show an address, and nothing shows these values.
DEFAULT_EXCEPTION_REPORTER = "apps.database.redaction.RedactingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.database.redaction.RedactingReporterFilter"
KNOWN_SECRETS = [
    *env.secret_values(),
    *([str(ASSESSED_DATABASE["PASSWORD"])] if ASSESSED_DATABASE else []),
]

# Monitoring: the tokens and addresses of programs, and what a slow query is
HEALTH_TOKEN = token(env, "HEALTH_TOKEN")
METRICS_TOKEN = token(env, "METRICS_TOKEN")
METRICS_ADDRESSES = networks(env, "METRICS_ADDRESSES")
SLOW_QUERY_SECONDS = env.integer("SLOW_QUERY_MS", minimum=1, maximum=600000) / 1000

# Language and time; what pages show is what every session of the database has
LANGUAGE_CODE = "en-gb"
TIME_ZONE = SESSION_TIME_ZONE
USE_TZ = True

# Static files
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
    "dbbackup": backup_storage_entry(env),
    **offsite_storage_entries(env),
}
# In development the files are served from the applications, without a collecting step.
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = not PRODUCTION

# Backups. The library's own error mails carry the whole environment.
DBBACKUP_SEND_EMAIL = False
BACKUP_AGE_RECIPIENTS = age_recipients(env)
BACKUP_AGE_IDENTITY = age_identity(env)
BACKUP_TIMEOUT = env.integer("BACKUP_TIMEOUT", minimum=1, maximum=7 * 86400)
BACKUP_RESTORE_TIMEOUT = env.integer("BACKUP_RESTORE_TIMEOUT", minimum=1, maximum=7 * 86400)
BACKUP_KEEP = {
    kind: env.integer(f"BACKUP_KEEP_{kind}", minimum=least, maximum=3660)
    for kind, least in (("DAYS", 1), ("DAILY", 1), ("WEEKLY", 0), ("MONTHLY", 0))
}
BACKUP_PROVIDER = env.text("BACKUP_PROVIDER")
DBBACKUP_CONNECTORS = {"default": {"CONNECTOR": "apps.backups.connector.HoldfastConnector"}}

# Work that runs by itself: when it falls due, by the job's name; what is off is not there
_second_place = env.text("BACKUP_OFFSITE_DIR") or env.text("BACKUP_OFFSITE_BUCKET")
JOBS = {
    name: cron
    for name, *_ in SCHEDULED
    if (name != "copy" or _second_place) and (cron := env.cron(f"JOB_{name.upper()}"))
}
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = ""
PROCRASTINATE_ON_APP_READY = "apps.monitoring.queue.register"

# Logs
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "redaction": {"()": "apps.database.redaction.RedactionFilter"},
        "request_id": {"()": "apps.database.request_id.RequestIdFilter"},
    },
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {request_id}: {message}", "style": "{"},
        "json": {"()": "apps.database.json_lines.RedactingJsonFormatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["request_id", "redaction"],
            "formatter": env.log_format(),
        },
    },
    "root": {
        "handlers": ["console"],
        "level": env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR")),
    },
    "loggers": {
        # Django's own handlers would pass by the filter.
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # They would tell at every command that there is a schedule, or what it says itself.
        "procrastinate.blueprints": {"level": "WARNING"},
        "procrastinate.jobs": {"level": "WARNING"},
        "procrastinate.periodic": {"level": "WARNING"},
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # A traceback for every probe of an outage; apps.monitoring tells each change once.
        "health_check": {"level": "ERROR"},
    },
}
