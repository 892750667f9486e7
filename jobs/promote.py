"""`ray job submit ... -- python jobs/promote.py ...`: the verb `gymspotter promote` as a cluster job."""

import sys

from gymspotter.cli import main

main(["promote", *sys.argv[1:]])
