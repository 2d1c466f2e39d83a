"""How much the columns of a Parquet file unpack to, by the file's own numbers, before anything of them is read."""

from collections.abc import Collection

from slurm.errors import InputError
from stages.core.storage.input_files import open_file

MOST_BYTES = 256 << 20  # of a column of a row group, whatever it is packed to
MOST_PACKED = (
    200  # of more than that, times its packed bytes: texts shrink to a fifth, one that is all alike to nothing
)


def check_unpacked(file: str, columns: Collection[str]) -> None:
    """Raises InputError if one of these columns unpacks to far more than its packed bytes can say: 600 MB in 20 kB.

    A file that cannot be read is not looked at: whoever reads it says so.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(file, ahead=False) as opened:
            facts = pq.ParquetFile(opened).metadata
    except (pa.ArrowException, OSError, ValueError):
        return
    for group in range(facts.num_row_groups):
        for number in range(facts.num_columns):
            chunk = facts.row_group(group).column(number)
            packed, unpacked = chunk.total_compressed_size, chunk.total_uncompressed_size
            if unpacked > max(MOST_BYTES, MOST_PACKED * packed) and chunk.path_in_schema.partition(".")[0] in columns:
                raise InputError(
                    f"{file}: column {chunk.path_in_schema!r} unpacks to {unpacked:,} bytes, from {packed:,}, in row "
                    f"group {group}: nobody writes such texts, so it is not read. Write the file without this column"
                )
