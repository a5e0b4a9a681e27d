"""A bucket of a real S3 server on this machine's loopback."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from moto.server import ThreadedMotoServer

NAME = "kept"
REGION = "eu-north-1"
KEYS = {"aws_access_key_id": "id", "aws_secret_access_key": "secret"}


@dataclass
class Bucket:
    """A bucket of a running S3 server."""

    address: str
    client: Any

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=NAME).get("Contents", [])
        return [entry["Key"] for entry in found]

    def uploads(self) -> list[Any]:
        return list(self.client.list_multipart_uploads(Bucket=NAME).get("Uploads", []))

    def content(self, name: str) -> bytes:
        return bytes(self.client.get_object(Bucket=NAME, Key=name)["Body"].read())

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=NAME, Key=name, Body=content)

    def variables(self) -> dict[str, str]:
        """How the application reaches the server; which bucket is another variable."""
        return {
            "BACKUP_S3_PREFIX": "holdfast",
            "BACKUP_S3_ENDPOINT": self.address,
            "BACKUP_S3_REGION": REGION,
            "BACKUP_S3_KEY_ID": "id",
            "BACKUP_S3_SECRET": "secret",  # pragma: allowlist secret
        }


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server that is stopped afterwards."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        running.stop()


@contextmanager
def made_bucket(address: str) -> Iterator[Bucket]:
    """An empty bucket, which is deleted afterwards with all that is in it."""
    client = boto3.client("s3", endpoint_url=address, region_name=REGION, **KEYS)
    client.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": REGION})
    made = Bucket(address, client)
    try:
        yield made
    finally:
        for name in made.names():
            client.delete_object(Bucket=NAME, Key=name)
        client.delete_bucket(Bucket=NAME)
