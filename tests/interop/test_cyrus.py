#!/usr/bin/python3
"""tests/interop/test_cyrus.py - the relay signs in at a Postfix that asks Cyrus SASL: PLAIN and LOGIN."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness, require  # noqa: E402
from signing import CyrusPostfix, not_offered, refused_and_mended, signs_in  # noqa: E402

require(CyrusPostfix)
for name in ('plain', 'login'):
    harness.case(signs_in(CyrusPostfix, name))
    harness.case(refused_and_mended(CyrusPostfix, name))
harness.case(not_offered(CyrusPostfix))

if __name__ == '__main__':
    harness.main()
