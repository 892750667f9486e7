"""`ray job submit ... -- python jobs/rollback.py ...`: the verb `gymspotter rollback` as a cluster job."""

import sys

from gymspotter.cli import main

main(["rollback", *sys.argv[1:]])
