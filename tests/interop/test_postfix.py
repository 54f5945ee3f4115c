#!/usr/bin/python3
"""tests/interop/test_postfix.py - Postfix as the smart host: TLS required, client certificates, wrong authorities."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls_cases  # noqa: E402
from servers import Postfix, harness, require  # noqa: E402

require(Postfix)
tls_cases.add(Postfix)

if __name__ == '__main__':
    harness.main()
