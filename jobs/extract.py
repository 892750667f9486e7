"""`ray job submit ... -- python jobs/extract.py ...`: the verb `gymspotter extract` as a cluster job."""

import sys

from gymspotter.cli import main

main(["extract", *sys.argv[1:]])
