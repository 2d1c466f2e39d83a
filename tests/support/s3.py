"""A real S3 API over HTTP: moto's server, found by whoever reads the AWS variables of the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import boto3
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from urllib3 import request


@contextmanager
def found_at(url: str, **more: str) -> Iterator[None]:
    """Whoever looks for an S3 API finds the one at the URL: s3fs, botocore, children."""
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key-of-the-tests",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
        "AWS_DEFAULT_REGION": "us-east-1",  # where a bucket needs no word of where it lies
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",  # of botocore for a request: what we try again is seen
        **more,
    }
    S3FileSystem.clear_instance_cache()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        S3FileSystem.clear_instance_cache()


class S3:
    """A server with one bucket; until it is closed it is what s3fs, botocore and children find.

    with S3() as s3:
        s3.put("a.mp4", b"...")
        read(f"s3://{s3.bucket}/a.mp4")
    """

    bucket = "videos"

    def __enter__(self) -> Self:
        self._server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._found = found_at(self.url)
        self._found.__enter__()
        self.client: Any = boto3.client("s3")
        self.client.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, *_: object) -> None:
        self._found.__exit__(None, None, None)
        self._server.stop()

    def put(self, key: str, content: bytes) -> str:
        """The address of a new object."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def names(self) -> list[str]:
        """What is to be seen in the bucket."""
        return sorted(found["Key"] for found in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", []))

    def parts(self) -> int:
        """The parts that arrived of multipart uploads that are not ended."""
        return sum(len(self.client.list_parts(**upload).get("Parts", [])) for upload in self._uploads())

    def drop_uploads(self) -> None:
        """Does what a bucket's rule does for uploads that nobody will end."""
        for upload in self._uploads():
            self.client.abort_multipart_upload(**upload)

    def _uploads(self) -> list[dict[str, str]]:
        begun = self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return [{"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]} for upload in begun]

    def head(self, key: str) -> dict[str, Any]:
        """What is known of an object, its checksums among it."""
        return dict(self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED"))

    def lock(self, *, locked: bool = True) -> None:
        """Lets in nobody any more: no key is known."""
        request("POST", f"{self.url}/moto-api/reset-auth", body="0" if locked else "inf")
