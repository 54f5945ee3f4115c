#!/usr/bin/python3
"""tests/interop/test_haraka.py - the relay signs in at Haraka: PLAIN and LOGIN."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness, require  # noqa: E402
from signing import Haraka, not_offered, refused_and_mended, signs_in  # noqa: E402

require(Haraka)
for name in ('plain', 'login'):
    harness.case(signs_in(Haraka, name))
    harness.case(refused_and_mended(Haraka, name))
harness.case(not_offered(Haraka))

if __name__ == '__main__':
    harness.main()
