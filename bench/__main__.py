"""`python -m bench`: measures, prints a table, and writes bench/results.json and bench/results.svg."""

import argparse
import sys
from pathlib import Path
from time import perf_counter

from bench import measures, results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take less than a minute, less exactly")
    quick: bool = parser.parse_args().quick
    begin = perf_counter()
    samples = results.Samples()

    def say(section: str) -> None:
        print(f"{perf_counter() - begin:3.0f} s: {section}", file=sys.stderr)

    say("cold start")
    measures.cold_start(samples, 1 if quick else 10)
    say("cost of an event")
    measures.cost(samples, 2 if quick else 3, 20 if quick else 100)
    say("load on slow storage")
    measures.load(samples, 1 if quick else 4, 0.5 if quick else 2)
    say("memory over many events")
    measures.memory(samples, 5_000 if quick else 100_000)
    results.save(Path(__file__).parent, samples, quick=quick)
    print(samples.table(), "", *results.lacks(), "", *results.aims(samples.medians()), sep="\n")
    say("done")


if __name__ == "__main__":
    main()
