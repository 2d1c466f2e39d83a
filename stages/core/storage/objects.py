"""Objects of an object store: atomic upload of a file, read and write of small objects.

Raises ItemErrors: disk if access is denied or the bucket does not exist, network. The parts of a killed upload are
invisible, but S3 keeps them until a rule of the bucket (AbortIncompleteMultipartUpload) removes them.
"""

import base64
import zlib
from pathlib import Path
from typing import Any

from slurm.errors import ItemError
from stages.core.storage.errors import ErrorCodes, hide_passwords, retry_network, translate_store_errors
from stages.core.storage.remote import open_file_system

PART_BYTES = 1 << 24
PARTS_AT_ONCE = 2  # of one file; several files are uploaded in parallel, and each part is held in memory
MOST_PARTS = 10_000  # S3's limit
STORE_CODES = ErrorCodes(missing="disk", forbidden="disk")
LOOKUP_CODES = ErrorCodes(missing="missing", forbidden="disk")
NO_BUCKET = "bucket does not exist"


@retry_network
def put(file: Path, address: str) -> None:
    """Uploads a file, which becomes visible when complete; then compares its size and, if S3 sends it, its CRC-32."""
    with translate_store_errors(address, STORE_CODES):
        system, path = open_file_system(address)
        size, crc = file.stat().st_size, None
        if "s3" in system.protocol:
            system.connect()
            settings: dict[str, Any] = {"chunksize": max(PART_BYTES, size // MOST_PARTS + 1)}
            if (
                system.s3.meta.config.request_checksum_calculation == "when_supported"
            ):  # not every S3-compatible store supports them
                # of the whole object: for a composite checksum s3fs would have to send that of each part at the end
                settings |= {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
            system.put_file(str(file), path, max_concurrency=PARTS_AT_ONCE, **settings)
            bucket, key, _ = system.split_path(path)
            facts = system.call_s3("head_object", Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            stored_bytes, crc = facts["ContentLength"], facts.get("ChecksumCRC32")
        else:
            system.put_file(str(file), path)
            stored_bytes = system.info(path)["size"]
        if stored_bytes != size or (crc is not None and crc != _crc32(file)):
            system.rm_file(path)
            raise ItemError(
                "network", hide_passwords(f"{address}: {stored_bytes} bytes arrived, not the {size} that were sent")
            )


def _crc32(file: Path) -> str:
    """The CRC-32 of a file in base64, as S3 writes it."""
    crc = 0
    with file.open("rb") as content:
        while block := content.read(PART_BYTES):
            crc = zlib.crc32(block, crc)
    return base64.b64encode(crc.to_bytes(4)).decode()


@retry_network
def write(address: str, content: bytes) -> None:
    """Writes a small object, replacing any before."""
    with translate_store_errors(address, STORE_CODES):
        system, path = open_file_system(address)
        system.pipe_file(path, content)


@retry_network
def read(address: str) -> bytes | None:
    """The content of a small object, None if it does not exist."""
    try:
        with translate_store_errors(address, LOOKUP_CODES):
            system, path = open_file_system(address)
            return bytes(system.cat_file(path, start=0))  # with a start s3fs saves the request for the size
    except ItemError as error:
        if error.code != LOOKUP_CODES.missing:
            raise
        if NO_BUCKET in error.detail:
            raise ItemError(STORE_CODES.missing, error.detail) from error
        return None


@retry_network
def find(pattern: str) -> list[str]:
    """The addresses of the objects that a pattern with * fits, sorted, as the store has them now."""
    with translate_store_errors(pattern, STORE_CODES):
        system, path = open_file_system(pattern)
        system.invalidate_cache()
        system.info(path.partition("/")[0])  # a pattern in a bucket that is not there fits nothing
        return sorted(str(system.unstrip_protocol(found)) for found in system.glob(path))


@retry_network
def remove(address: str) -> None:
    """Removes an object, if there is one."""
    with translate_store_errors(address, STORE_CODES):
        system, path = open_file_system(address)
        if system.exists(path):
            system.rm_file(path)


@retry_network
def size(address: str) -> int | None:
    """The size of an object in bytes, None if it does not exist."""
    try:
        with translate_store_errors(address, LOOKUP_CODES):
            system, path = open_file_system(address)
            return int(system.info(path)["size"])
    except ItemError as error:
        if error.code != LOOKUP_CODES.missing:
            raise
        return None
