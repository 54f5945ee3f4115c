#!/usr/bin/python3
"""tests/interop/test_haraka.py - Haraka as an MX host with every mode of TLS, and the relay signs in at it: PLAIN
and LOGIN."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dane_cases  # noqa: E402
import tls_cases  # noqa: E402
from servers import harness, require  # noqa: E402
from signing import Haraka, not_offered, refused_and_mended, signs_in  # noqa: E402

require(Haraka)
for name in ('plain', 'login'):
    harness.case(signs_in(Haraka, name))
    harness.case(refused_and_mended(Haraka, name))
harness.case(not_offered(Haraka))
harness.case(tls_cases.policies(Haraka))
harness.case(dane_cases.matched(Haraka))

if __name__ == '__main__':
    harness.main()
