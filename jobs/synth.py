"""`ray job submit ... -- python jobs/synth.py ...`: the verb `gymspotter synth` as a cluster job."""

import sys

from gymspotter.cli import main

main(["synth", *sys.argv[1:]])
