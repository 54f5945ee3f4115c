"""tests/e2e/boundaries.py - every way to write an end of data, right and wrong (RELIABILITY SMG-01, SMG-02).

A sequence BEFORE "." AFTER stands in a message and is followed by a complete second transaction: whoever takes it for
an end of data makes two messages of one.
"""

import re

BEFORE = {'CRLF': b'\r\n', 'LF': b'\n', 'CR': b'\r', 'CRCRLF': b'\r\r\n', 'LFCR': b'\n\r', 'CRLF+NUL': b'\r\n\0',
          'NUL+CRLF': b'\0\r\n', 'NUL+LF': b'\0\n', 'VT': b'\x0b', 'FF': b'\x0c', 'x85': b'\x85',
          'U+2028': b'\xe2\x80\xa8'}
AFTER = {'CRLF': b'\r\n', 'LF': b'\n', 'CR': b'\r', 'CRCRLF': b'\r\r\n', 'LFCR': b'\n\r', 'NUL+CRLF': b'\0\r\n',
         'SP+CRLF': b' \r\n', 'TAB+CRLF': b'\t\r\n', 'CR+NUL+LF': b'\r\0\n', 'NUL': b'\0', 'CRLF+NUL': b'\r\n\0',
         'VT': b'\x0b', 'FF': b'\x0c', 'x85': b'\x85', 'U+2028': b'\xe2\x80\xa8'}
NAMED = {'LF.LF': b'\n.\n', 'LF.CRLF': b'\n.\r\n', 'CRLF.LF': b'\r\n.\n', 'CR.CR': b'\r.\r', 'CR.CRLF': b'\r.\r\n',
         'CR.LF': b'\r.\n', 'LF.CR': b'\n.\r', 'CRLF.CR': b'\r\n.\r', 'CRLF NUL.CRLF': b'\r\n\0.\r\n',
         'CRLF.NUL CRLF': b'\r\n.\0\r\n', 'CRLF.CRCRLF': b'\r\n.\r\r\n', 'CRCRLF.CRCRLF': b'\r\r\n.\r\r\n'}
SECOND = (b'MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n'
          b'X-Postrider-Sequence: 999999999999\r\n\r\nevil\r\n')


def matrix():
    """{name: sequence} of all 180, and the names of the six that do contain the end of data."""
    sequences = {'%s.%s' % (b, a): BEFORE[b] + b'.' + AFTER[a] for b in BEFORE for a in AFTER}
    return sequences, {name for name, octets in sequences.items() if b'\r\n.\r\n' in octets}


def head(number):
    return b'X-Postrider-Sequence: %012d\r\nSubject: first\r\n\r\ntext' % number


def forbidden(content):
    """Does content have a bare CR, a bare LF or a NUL?"""
    return b'\0' in content or bool(re.search(rb'\r(?!\n)|(?<!\r)\n', content))
