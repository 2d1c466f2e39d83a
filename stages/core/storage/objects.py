"""Objects of an object store: a file put so that it is seen when it is whole, small ones written and read.

Errors are ItemErrors: disk where the store does not let us in or has no such bucket, network. The parts of a killed
upload are not seen, but S3 keeps them until a rule of the bucket (AbortIncompleteMultipartUpload) removes them.
"""

import base64
import zlib
from pathlib import Path
from typing import Any

from slurm.errors import ItemError
from stages.core.storage.remote import Codes, again, connected, shown, told

PART_BYTES = 1 << 24
PARTS_AT_ONCE = 2  # of one file: several are put at once, and each part is in memory
MOST_PARTS = 10_000  # S3's limit
STORED = Codes(absent="disk", barred="disk")
LOOKED_FOR = Codes(absent="missing", barred="disk")
NO_BUCKET = "bucket does not exist"


@again
def put(file: Path, address: str) -> None:
    """Puts a file where it appears once it is whole; then its size is compared and, where S3 tells it, its CRC-32."""
    with told(address, STORED):
        system, path = connected(address)
        size, crc = file.stat().st_size, None
        if "s3" in system.protocol:
            system.connect()
            settings: dict[str, Any] = {"chunksize": max(PART_BYTES, size // MOST_PARTS + 1)}
            if system.s3.meta.config.request_checksum_calculation == "when_supported":  # not all that speak S3 do
                # of the whole object: for a sum of its parts' sums s3fs would have to name each when it ends
                settings |= {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
            system.put_file(str(file), path, max_concurrency=PARTS_AT_ONCE, **settings)
            bucket, key, _ = system.split_path(path)
            facts = system.call_s3("head_object", Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            there, crc = facts["ContentLength"], facts.get("ChecksumCRC32")
        else:
            system.put_file(str(file), path)
            there = system.info(path)["size"]
        if there != size or (crc is not None and crc != _crc32(file)):
            system.rm_file(path)
            raise ItemError("network", shown(f"{address}: {there} bytes arrived, not the {size} that were sent"))


def _crc32(file: Path) -> str:
    """The CRC-32 as S3 writes it."""
    crc = 0
    with file.open("rb") as content:
        while block := content.read(PART_BYTES):
            crc = zlib.crc32(block, crc)
    return base64.b64encode(crc.to_bytes(4)).decode()


@again
def write(address: str, content: bytes) -> None:
    """Puts a small object, in place of the one before."""
    with told(address, STORED):
        system, path = connected(address)
        system.pipe_file(path, content)


@again
def read(address: str) -> bytes | None:
    """The content of a small object, None if there is none."""
    try:
        with told(address, LOOKED_FOR):
            system, path = connected(address)
            return bytes(system.cat_file(path, start=0))  # with a start s3fs does not ask for the size first
    except ItemError as error:
        if error.code != LOOKED_FOR.absent:
            raise
        if NO_BUCKET in error.detail:
            raise ItemError(STORED.absent, error.detail) from error
        return None


@again
def size(address: str) -> int | None:
    """The bytes of an object, None if there is none."""
    try:
        with told(address, LOOKED_FOR):
            system, path = connected(address)
            return int(system.info(path)["size"])
    except ItemError as error:
        if error.code != LOOKED_FOR.absent:
            raise
        return None
