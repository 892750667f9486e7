"""`ray job submit ... -- python jobs/demo.py ...`: the verb `gymspotter demo` as a cluster job."""

import sys

from gymspotter.cli import main

main(["demo", *sys.argv[1:]])
