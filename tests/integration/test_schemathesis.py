"""What the OpenAPI document allows, and much that it does not: schemathesis asks and looks at the answers.

The same against a running service is `schemathesis run http://127.0.0.1:8000/openapi.json`.
"""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import positive_data_acceptance

from serve.http.api import build_api
from serve.settings import AppSettings
from tests.local_backend import LocalBackend, QuickEstimator

api = build_api(LocalBackend(estimator=QuickEstimator()), AppSettings(max_body_mb=1))
asked = schemathesis.openapi.from_asgi("/openapi.json", api)


@asked.parametrize()
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_documentation_describes(case):
    # What a video shows, or how many frames are 12 s, no schema can say: what it allows may still be refused.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
