"""The JavaScript clients before the gateway and unlike upstreams."""

import pytest

import nodeclients

from .everywhere import UNLIKE


@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", nodeclients.SUITES)
def test_javascript(suite, gateway, key):
    nodeclients.run(suite, gateway.url, key, UNLIKE)
