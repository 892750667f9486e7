"""`ray job submit ... -- python jobs/pipeline.py ...`: the verb `gymspotter pipeline` as a cluster job."""

import sys

from gymspotter.cli import main

main(["pipeline", *sys.argv[1:]])
