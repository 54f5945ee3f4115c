#!/usr/bin/python3
"""tests/interop/test_dovecot.py - the relay signs in where Dovecot says who may: PLAIN, LOGIN, XOAUTH2, OAUTHBEARER."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import harness, require  # noqa: E402
from signing import DovecotPostfix, not_offered, refused_and_mended, signs_in  # noqa: E402

require(DovecotPostfix)
for name in ('plain', 'login', 'xoauth2', 'oauthbearer'):
    harness.case(signs_in(DovecotPostfix, name))
for name in ('plain', 'xoauth2', 'oauthbearer'):
    harness.case(refused_and_mended(DovecotPostfix, name))
harness.case(not_offered(DovecotPostfix))

if __name__ == '__main__':
    harness.main()
