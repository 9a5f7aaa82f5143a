"""What holds for all tests."""

import pytest

# Before anybody imports it: it holds assertions that more than one package of tests makes.
pytest.register_assert_rewrite("tests.store.contract")
