"""`ray job submit ... -- python jobs/report.py ...`: the verb `gymspotter report` as a cluster job."""

import sys

from gymspotter.cli import main

main(["report", *sys.argv[1:]])
