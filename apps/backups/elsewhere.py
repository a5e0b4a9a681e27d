"""Backups in a bucket: sent in parts as they are made, and read back as a stream."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage


class BucketStorage(S3Storage):
    """django-storages' S3, with little memory and with time-outs."""

    # 10,000 parts are allowed: backups of up to 160 GB.
    part_bytes = 16 << 20

    def __init__(self, **options: Any) -> None:
        transfer = TransferConfig(
            multipart_chunksize=self.part_bytes,
            multipart_threshold=self.part_bytes,
            max_concurrency=1,
        )
        # boto3 has no argument for it; ten parts would wait in memory otherwise.
        transfer.max_in_memory_upload_chunks = 1
        transfer.max_request_queue_size = 2
        client = Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"max_attempts": 3, "mode": "standard"},
            signature_version="s3v4",
        )
        super().__init__(**{"transfer_config": transfer, "client_config": client, **options})

    def open_stream(self, name: str) -> Any:
        """The object's content as it arrives; `open` would fetch all of it first."""
        return self.bucket.Object(self._normalize_name(name)).get()["Body"]
