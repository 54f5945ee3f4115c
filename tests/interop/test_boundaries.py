#!/usr/bin/python3
"""tests/interop/test_boundaries.py - one message in, one message out, at real next hops (RELIABILITY SMG-01 to SMG-04);
and Exim as a client, which sends chunks.

Whatever of the matrix of ends of data the relay accepts goes on to Postfix, Exim or OpenSMTPD, by DATA and by BDAT,
whichever they offer. What they store is counted: a sequence that one of them took for an end of data would be a second
message.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Exim, OpenSMTPD, Postfix, harness  # noqa: E402
from boundaries import SECOND, forbidden, head, matrix  # noqa: E402
from harness import Certificates, NextHop, Workspace, case, check, equal, message, same_octets  # noqa: E402
from harness import split_trace  # noqa: E402
from ways import WAYS, Ways  # noqa: E402


def send_matrix(place, way, first):
    """All that is acceptable, by DATA and in two chunks. Returns how many messages that were."""
    sequences, controls = matrix()
    number = first
    for name, sequence in sequences.items():
        for chunks in (False, True):
            body = head(number) + sequence + SECOND
            if forbidden(body) or (name in controls and not chunks):
                continue
            with place.connect(way) as client:
                client.envelope()
                if chunks:
                    middle = len(head(number)) + len(sequence) // 2
                    client.send(b'BDAT %d\r\n' % middle + body[:middle])
                    client.expect(250)
                    client.send(b'BDAT %d LAST\r\n' % (len(body) - middle) + body[middle:])
                    client.expect(250)
                else:
                    client.command('DATA', 354)
                    client.send(body + b'.\r\n')
                    client.expect(250)
                client.command('QUIT', 221)
            number += 1
    return number - first


def counted(server_class, ignored=()):
    why = server_class.unavailable()
    if why:
        return 'skipped: ' + why
    with Workspace() as work:
        certificates = Certificates()
        server = server_class(work, certificates)
        destination = {'hosts': [server.host], 'ignore_extensions': list(ignored)}
        if server_class is not OpenSMTPD:
            destination['tls'] = {'mode': 'verify', 'ca_file': certificates.ca,
                                  'server_name': certificates.server_name}
        place = Ways(work, destination=destination)
        sent = 0
        for way in WAYS:
            sent += send_matrix(place, way, 1 + sent)
        files = server.wait_arrivals(sent)
        place.relay.terminate()
        equal(len(place.relay.events('accepted')), sent, 'messages that the relay took')
        equal(sum(event['result'] == 'delivered' for event in place.relay.events('attempt')), sent, 'and delivered')
        files = server.arrivals()
        equal(sorted(harness.sequence_of(file) for file in files), list(range(1, sent + 1)),
              'the messages that %s has' % server.name)
        check(all(b'victim@example.com>' in file for file in files), 'each holds the second envelope as text')
        return '%d messages in, %d out' % (sent, len(files))


@case
def smg_01_smg_04_postfix():
    return counted(Postfix)


@case
def smg_01_smg_04_postfix_by_data():
    return counted(Postfix, ['CHUNKING'])


@case
def smg_01_smg_04_exim():
    return counted(Exim)


@case
def smg_01_smg_04_exim_by_data():
    return counted(Exim, ['CHUNKING'])


@case
def smg_01_smg_04_opensmtpd():
    return counted(OpenSMTPD)


@case
def exim_sends_chunks():
    """Exim as a client, which says BDAT where that is offered: small, large, with dots, and without an end of line."""
    why = Exim.unavailable()
    if why:
        return 'skipped: ' + why
    with Workspace() as work:
        hop = work.own(NextHop())
        relay = work.relay(work.configuration([hop.host]))
        contents = [message(1), message(2) + b'.\r\n..\r\n.', message(3, 3000000), message(4) + b'no end of line']
        log = Exim.send(work, relay.address[1], [content.replace(b'\r\n', b'\n') for content in contents])
        equal(log.count(' K '), len(contents), 'messages that it sent in chunks: %s' % log[-500:])
        arrivals = {arrival.sequence: arrival for arrival in hop.wait_arrivals(len(contents))}
        for number, content in enumerate(contents, 1):
            own = split_trace(arrivals[number].content)[1]
            expected = content if content.endswith(b'\r\n') else content + b'\r\n'
            same_octets(own[own.index(b'From: <sender'):], expected, 'content')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
