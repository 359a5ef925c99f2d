"""Tables as text files."""

from pathlib import Path

DECIMALS = 4


def write_table(table, path: str | Path) -> Path:
    """Write a pandas table as CSV (UTF-8, comma): numbers with four decimals, absent ones empty, text as it is."""
    table.to_csv(path, index=False, float_format=f"%.{DECIMALS}f", lineterminator="\n", encoding="utf-8")
    return Path(path)
