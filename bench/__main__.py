"""`python -m bench`: measure, print one table, write the samples to bench/results/."""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from bench import (
    bodies,
    derived,
    devpi,
    execute,
    flood,
    forward_auth,
    keys,
    mint,
    reads,
    record,
    table,
    uploads,
    workers,
)
from bench.run import Neighbours, Run

ROWS = {
    "uploads": uploads.measure,
    "devpi": devpi.measure,
    "bodies": bodies.measure,
    "reads": reads.measure,
    "workers": workers.measure,
    "forward-auth": forward_auth.measure,
    "keys": keys.measure,
    "flood": flood.measure,
    "record": record.measure,
    "mint": mint.measure,
    "derived": derived.measure,
    "exec": execute.measure,
}
RESULTS = Path(__file__).parent / "results"
FOOTER = (
    "A ratio is the median of the ratios within each round; the ways of a row take turns in every round. Shares of a\n"
    "core are user and system time. Compare numbers of one run only: machines differ and are noisy."
)


def main() -> None:
    """Parse the arguments, run the rows, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", action="append", choices=ROWS, help="this row alone; may be given more than once")
    parser.add_argument("--scratch", type=Path, help="where all files of a run lie (default: the temporary directory)")
    chosen = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        parser.error("this takes two cores: one for what is measured, one for the rest")
    rows: list[table.Row] = []
    for name in chosen.only or ROWS:
        neighbours = Neighbours()
        with tempfile.TemporaryDirectory(prefix="authproxy-bench-", dir=chosen.scratch) as scratch:
            measured = ROWS[name](Run(Path(scratch), chosen.quick))
        rows += [replace(row, neighbours=neighbours.share()) for row in measured]
    saved = table.save(rows, RESULTS, "quick" if chosen.quick else "full")
    print(f"{table.render(rows)}\n\n{FOOTER}\nsamples: {saved}")


if __name__ == "__main__":
    main()
