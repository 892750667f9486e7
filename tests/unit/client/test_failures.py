import subprocess
import sys

import pytest

from gymspotter.client.failures import ServiceError, backoff, retry_after


def test_waits_double_up_to_a_limit_and_are_spread():
    assert [backoff(k, lambda: 1.0) for k in (0, 1, 2, 3, 10, 10**6)] == [0.5, 1, 2, 4, 8, 8]
    assert [backoff(k, lambda: 0.0) for k in (0, 10)] == [0.25, 4]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("5", 5),
        ("-5", 0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after(header, now=10) == seconds


def test_an_error_is_its_sentence():
    error = ServiceError(429, "come back later.")
    assert (error.status, error.detail, str(error)) == (429, "come back later.", "come back later.")


def test_a_client_needs_no_torch_and_no_opencv():
    code = (
        "import sys; sys.modules.update(torch=None, cv2=None, av=None, ray=None, mlflow=None); import gymspotter.client"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
