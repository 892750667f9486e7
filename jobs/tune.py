"""`ray job submit ... -- python jobs/tune.py ...`: the verb `gymspotter tune` as a cluster job."""

import sys

from gymspotter.cli import main

main(["tune", *sys.argv[1:]])
