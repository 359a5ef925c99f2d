"""An exemption from a promise is shown, and does not outlive its reason."""

import pytest


class Part:
    name = "part"
    exempt = {"gradients": "it has none"}


def test_a_kept_promise_passes(keep):
    keep(Part, "range", lambda: None)


def test_a_broken_promise_fails(keep):
    with pytest.raises(ZeroDivisionError):
        keep(Part, "range", lambda: 1 / 0)


def test_an_exemption_that_is_needed_is_an_expected_failure(keep):
    with pytest.raises(pytest.xfail.Exception, match="it has none"):
        keep(Part, "gradients", lambda: 1 / 0)


def test_an_exemption_that_is_not_needed_fails(keep):
    with pytest.raises(pytest.fail.Exception, match="not needed"):
        keep(Part, "gradients", lambda: None)
