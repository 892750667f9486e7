"""`ray job submit ... -- python jobs/train.py ...`: the verb `gymspotter train` as a cluster job."""

import sys

from gymspotter.cli import main

main(["train", *sys.argv[1:]])
