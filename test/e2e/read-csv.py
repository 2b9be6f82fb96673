# Reads CSV as Python does, from standard input; writes its rows as JSON, or with "sums" what they add up to.
import csv
import json
import sys
from collections import defaultdict
from decimal import Decimal

sys.stdin.reconfigure(encoding="utf-8", errors="strict", newline="")
rows = csv.DictReader(sys.stdin, strict=True)

if sys.argv[1:] == ["sums"]:
    sums = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"line {rows.line_num}: not as many cells as the header")
        event = sums[row["event"]]
        event["rows"] += 1
        for name, cell in row.items():
            if name != "process" and cell.replace(".", "", 1).isdecimal():
                event[name] += Decimal(cell)
    json.dump({e: {n: format(s.normalize(), "f") for n, s in by.items()} for e, by in sums.items()}, sys.stdout)
else:
    json.dump([row for row in rows], sys.stdout)
