"""tests/e2e/basics.py - expectations that explain themselves, and messages that can be told apart.

Used through harness.py, which offers all of this under its own name.
"""

import re
import time


class Failure(Exception):
    """What a case expected did not happen."""


def check(condition, text, *arguments):
    if not condition:
        raise Failure(text % arguments if arguments else text)


def equal(found, expected, what):
    if found != expected:
        raise Failure('%s: expected %s, found %s' % (what, shorten(expected), shorten(found)))


def shorten(value, limit=300):
    text = repr(value)
    return text if len(text) <= limit else '%s... (%d characters)' % (text[:limit], len(text))


def same_octets(found, expected, what):
    """Compares content and says where it differs first, which a diff of ten megabytes would not."""
    if found == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
    raise Failure('%s: differs at octet %d of %d (expected %d): expected %s, found %s' % (
        what, at, len(found), len(expected), shorten(expected[max(0, at - 20):at + 40]),
        shorten(found[max(0, at - 20):at + 40])))


def eventually(condition, what, timeout=60, pause=0.02):
    """Waits until condition() is true and returns its value. `what` may be a function that explains the failure.

    The time is for machines that are busy with something else: it is no measure of what is waited for.
    """
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure('after %g s still not so: %s' % (timeout, what() if callable(what) else what))
        time.sleep(pause)


def stuff(content):
    return re.sub(rb'(\A|\r\n)\.', rb'\1..', content)


def unstuff(data):
    return re.sub(rb'(\A|\r\n)\.', rb'\1', data)


def message(sequence, size=0, subject='test'):
    """A message that can be told from every other one."""
    head = ('From: <sender@example.net>\r\nTo: <recipient@example.com>\r\nSubject: %s\r\n'
            'Date: Mon, 01 Jun 2026 12:00:00 +0000\r\nMessage-ID: <%d.test@example.net>\r\n'
            'X-Postrider-Sequence: %012d\r\n\r\n'
            % (subject, sequence, sequence)).encode()
    line = b'The quick brown fox jumps over the lazy dog, again and again and again.\r\n'
    body = line * max(1, (size - len(head)) // len(line))
    return head + body


def message_of(sequence, size):
    """A message of exactly this many octets, at least 400."""
    base = message(sequence)
    missing = size - len(base)
    check(missing == 0 or missing >= 2, 'no message of %d octets can be made', size)
    filler = bytearray()
    while missing > 0:
        line = 76 if missing >= 80 else missing
        filler += b'%*.*s\r\n' % (line - 2, line - 2, b'abcdefghijklmnopqrstuvwxyz0123456789' * 3)
        missing -= line
    return base + bytes(filler)


def sequence_of(content):
    found = re.search(rb'^X-Postrider-Sequence: (\d+)\r?$', content, re.M)
    return int(found.group(1)) if found else None


def split_trace(content):
    """(our Received header with its continuation lines, the rest)."""
    found = re.match(rb'Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*', content)
    check(found, 'the message does not begin with a Received header: %s', shorten(content[:200]))
    return found.group(0), content[found.end():]
