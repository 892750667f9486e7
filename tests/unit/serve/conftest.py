"""One store with two versions of a small classifier for all of these tests: registering takes seconds."""

import pytest

from tests.registered import decided, new_store, put


@pytest.fixture(scope="session")
def model_store(tmp_path_factory):
    """Version 1 names exercise 20 whatever it is shown, version 2 names exercise 10; the store's URI."""
    uri = new_store(tmp_path_factory.mktemp("mlflow"))
    assert [put(decided(20)), put(decided(10))] == ["1", "2"]
    return uri
