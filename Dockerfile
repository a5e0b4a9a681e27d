# The web and its commands. Two stages, so that no compiler and no cache reach the image.
FROM python:3.13-slim AS build
COPY requirements/production.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM python:3.13-slim
# pg_dump must not be older than the server: take it from the server's own image, not from Debian.
COPY --from=postgres:18 /usr/lib/postgresql/18/bin/pg_dump /usr/lib/postgresql/18/bin/pg_restore \
     /usr/lib/postgresql/18/bin/psql /usr/lib/postgresql/18/bin/
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libpq5 liblz4-1 libzstd1 libreadline8 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /nonexistent holdfast \
 && install -d -o holdfast -g holdfast -m 0700 /backups
ENV PATH=/venv/bin:/usr/lib/postgresql/18/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /service
COPY --from=build /venv /venv
COPY manage.py Procfile ./
COPY config config
COPY apps apps
COPY docs docs
# Collecting reads settings, which want values; these serve for this one command and are not kept.
RUN ENVIRONMENT=production SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(50))') \
    ALLOWED_HOSTS=localhost DATABASE_HOST=/nowhere DATABASE_NAME=none DATABASE_USER=none \
    python manage.py collectstatic --no-input
USER holdfast
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live/', timeout=2)"]
CMD ["gunicorn", "--config", "config/gunicorn.py"]
