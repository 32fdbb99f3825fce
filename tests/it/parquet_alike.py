"""Reads Parquet files by pyarrow and holds each value against the CSV file beside it, as devcluster writes that."""

import datetime
import decimal
import pathlib
import sys

import pyarrow.parquet


def fields(text):
    """Rows of fields; one that is empty without quotes is None."""
    row, at = [], 0
    while at < len(text):
        if text[at] == '"':
            field, at = "", at + 1
            while True:
                end = text.index('"', at)
                field += text[at:end]
                at = end + 1
                if text[at : at + 1] != '"':
                    break
                field, at = field + '"', at + 1
        else:
            end = min(text.index(mark, at) for mark in (",", "\n") if mark in text[at:])
            field, at = text[at:end] or None, end
        row.append(field)
        if text[at] == "\n":
            yield row
            row = []
        at += 1


def meant(value, text):
    """What the text means, as what the value is."""
    if text is None:
        return None
    if isinstance(value, bool):
        return {"true": True, "false": False}[text]
    if isinstance(value, int):
        return int(text)
    if isinstance(value, decimal.Decimal):
        return decimal.Decimal(text)
    if isinstance(value, datetime.datetime):
        return datetime.datetime.fromisoformat(text)
    if isinstance(value, datetime.date):
        return datetime.date.fromisoformat(text)
    if isinstance(value, datetime.time):
        # Arrow's times of day know no zone.
        return datetime.time.fromisoformat(text.removesuffix("+00"))
    if isinstance(value, bytes):
        return bytes.fromhex(text.removeprefix("\\x"))
    return text


compared, kinds = 0, set()
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.parquet")):
    table = pyarrow.parquet.read_table(file)
    rows = list(fields(file.with_suffix(".csv").read_bytes().decode()))
    if table.num_rows != len(rows):
        sys.exit(f"{file}: {table.num_rows} rows, but {len(rows)} in the CSV file")
    for place, name in enumerate(table.column_names):
        kinds.add(str(table.schema.field(place).type))
        for row, value in enumerate(table.column(place).to_pylist()):
            text = rows[row][place]
            if value != meant(value, text):
                sys.exit(f"{file}: row {row} of {name} is {value!r}, and {text!r} in the CSV file")
            compared += 1
print(compared, *sorted(kinds), sep="\n")
