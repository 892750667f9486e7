"""`ray job submit ... -- python jobs/history.py ...`: the verb `gymspotter history` as a cluster job."""

import sys

from gymspotter.cli import main

main(["history", *sys.argv[1:]])
