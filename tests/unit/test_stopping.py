"""How a process ends that is told to, and which handlers of signals it has."""

import os
import signal
import subprocess
import sys

from gymspotter.stopping import handler_kept

WAITS = """
import time
from gymspotter.stopping import end_in_order
end_in_order()
try:
    print("waiting", flush=True)
    time.sleep(600)
finally:
    print("closed", flush=True)
"""


def test_sigterm_closes_what_is_open():
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == "closed\n"
    assert process.returncode == 143


def test_a_handler_that_others_set_meanwhile_is_not_kept():
    before = signal.getsignal(signal.SIGUSR1)
    with handler_kept(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGUSR1) is before
