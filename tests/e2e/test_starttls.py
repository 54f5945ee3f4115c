#!/usr/bin/python3
"""tests/e2e/test_starttls.py - next hops that do something odd on the way to TLS: what is ever said to them in clear?

More than sixty of them at a time, each a destination of its own that must be reached over TLS and signed in to. No
MAIL, no AUTH and no octet of a message is ever sent to one before TLS; whatever they do, mail waits for them or arrives
over TLS. (STL-06, STL-07; RFC 3207 4 and 6.)
"""

import base64
import os
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import (CLOSE, Certificates, Client, NextHop, Workspace, case, check, equal, eventually,  # noqa: E402
                     message)
from next_hop import Closed, NextHopSession  # noqa: E402

certificates = Certificates()
EXTENSIONS = ('PIPELINING', '8BITMIME', 'AUTH PLAIN LOGIN')
SECRET = 'correct horse'
SECRETS = [SECRET.encode()] + [base64.b64encode(each)[:-4] for each in (
    SECRET.encode(), b'\0relay@example.org\0' + SECRET.encode())]
HARMLESS = (b'EHLO', b'HELO', b'STARTTLS', b'QUIT', b'RSET', b'NOOP')


class Session(NextHopSession):
    """What comes behind the 220 of STARTTLS instead of a handshake: raw octets, then what TLS would have read."""

    raw = None       # sent together with the 220
    later = None     # sent after it, by itself
    go_on = False    # reads on in clear, as if nothing had been
    after = None     # done with the session when TLS is there
    without_auth = False

    def on_starttls(self, argument):
        if self.raw is None and self.later is None:
            super().on_starttls(argument)
            if self.encrypted and self.after:
                self.after()
            return
        self.socket.sendall(b'220 2.0.0 Go ahead\r\n' + (self.raw or b''))
        if self.later:
            self.socket.sendall(self.later)
        if not self.go_on:
            raise Closed()

    def on_auth(self, argument):
        check(self.encrypted, 'AUTH came in clear: %s', argument)
        self.out += b'235 2.7.0 Ok\r\n'


def session(**values):
    return type('Scripted', (Session,), values)


def says(stage, answer):
    """The next hop's script: `answer` at `stage`, in clear only."""
    def script(reached, it, argument):
        return answer if reached == stage and not it.encrypted else None
    return {'script': script}


def says_in_tls(stage, answer):
    def script(reached, it, argument):
        return answer if reached == stage and it.encrypted else None
    return {'script': script}


def close_tls(it):
    """close_notify, and then SMTP goes on in clear on the same connection (STL-05 seen from the other side)."""
    it.flush()
    plain = it.socket.unwrap()
    it.socket, it.encrypted = plain, False
    it.plain.clear()
    plain.sendall(b'250-next-hop.example.com\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n')


def context(**changes):
    made = certificates.server_context()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def with_certificate(name):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates.path(name + '.crt'), certificates.path(name + '.key'))
    return {'tls': made}


def ehlo(*lines):
    return '\r\n'.join('250%s%s' % ('-' if i < len(lines) - 1 else ' ', line) for i, line in enumerate(lines))


def scenarios():
    """{name: (what the next hop is made of, whether a message gets there over TLS)}"""
    found = {'as usual': ({}, True), 'not offered': ({'tls': None}, False)}
    for code in (220, 221, 354, 421, 500, 501, 530, 554):
        found['greeting %d' % code] = (says('connect', '%d next-hop.example.com' % code), code in (220, 221))
    found['greeting of many lines'] = (says('connect', '220-one\r\n220-two\r\n220 three'), True)
    found['greeting HTTP'] = (says('connect', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n'), False)
    found['greeting an alert of TLS'] = (says('connect', '\x15\x03\x01\x00\x02\x02\x46'), False)
    found['greeting and then closes'] = (says('connect', CLOSE), False)
    for code in (500, 501, 502, 504, 530, 550, 421, 221, 220, 354, 421):
        found['EHLO %d' % code] = (says('EHLO', '%d 5.5.1 What' % code), False)
    found['EHLO an empty 250'] = (says('EHLO', '250'), False)
    found['EHLO nothing that is a reply'] = (says('EHLO', 'STARTTLS'), False)
    found['EHLO closes'] = (says('EHLO', CLOSE), False)
    found['EHLO the name is STARTTLS'] = (says('EHLO', ehlo('STARTTLS', 'PIPELINING')), False)
    found['EHLO only the name STARTTLS'] = (says('EHLO', '250 STARTTLS'), False)
    found['EHLO STARTTLSX'] = (says('EHLO', ehlo('next-hop', 'STARTTLSX')), False)
    found['EHLO X-STARTTLS'] = (says('EHLO', ehlo('next-hop', 'XSTARTTLS', 'AUTH PLAIN LOGIN')), False)
    found['EHLO struck out as a firewall does'] = (says('EHLO', ehlo('next-hop', 'XXXXXXXA', 'AUTH PLAIN')), False)
    found['EHLO starttls'] = (says('EHLO', ehlo('next-hop', 'starttls')), True)
    found['EHLO STARTTLS with a parameter'] = (says('EHLO', ehlo('next-hop', 'STARTTLS now')), True)
    found['EHLO AUTH only before TLS'] = (dict(says('EHLO', ehlo('next-hop', 'STARTTLS', 'AUTH PLAIN')),
                                               extensions=('PIPELINING',)), False)
    # What is a reply of the second kind is a yes, as it is to other relays; then comes a handshake or nothing.
    for code in (221, 250, 354, 421, 454, 500, 501, 502, 503, 530, 550, 554):
        found['STARTTLS %d' % code] = (says('STARTTLS', '%d 4.7.0 No TLS' % code), code in (221, 250))
    found['STARTTLS 220 of many lines'] = (says('STARTTLS', '220-go\r\n220 ahead'), True)
    found['STARTTLS no reply'] = (says('STARTTLS', 'go ahead'), False)
    found['STARTTLS closes'] = (says('STARTTLS', CLOSE), False)
    for name, octets in (('a reply to EHLO', b'250-next-hop\r\n250 AUTH PLAIN\r\n'), ('250', b'250 2.0.0 Ok\r\n'),
                         ('235', b'235 2.7.0 Signed in\r\n'), ('one octet', b'2'), ('an empty line', b'\r\n'),
                         ('a second 220', b'220 again\r\n'), ('zeros', bytes(64)),
                         ('an alert', b'\x15\x03\x03\x00\x02\x02\x28'), ('a warning', b'\x15\x03\x03\x00\x02\x01\x00'),
                         ('half a record', b'\x16\x03\x03\x40\x00\x02'), ('a huge record', b'\x16\x03\x03\xff\xff\x02'),
                         ('SSL 2', b'\x80\x2e\x01\x03\x01'), ('data of TLS', b'\x17\x03\x03\x00\x10' + bytes(16))):
        for together in (True, False):
            values = {'raw' if together else 'later': octets}
            where = 'with the 220' if together else 'behind it'
            found['%s %s' % (name, where)] = ({'session_class': session(**values)}, False)
            if octets[:1].isdigit():
                found['%s %s, and on in clear' % (name, where)] = (
                    {'session_class': session(go_on=True, **values)}, False)
    for name in ('other', 'expired', 'selfsigned', 'wildcard'):
        # wildcard's name is *.example.org, which mail.example.org is.
        found['certificate ' + name] = (with_certificate(name), name == 'wildcard')
    found['TLS 1.2 only'] = ({'tls': context(maximum_version=ssl.TLSVersion.TLSv1_2)}, True)
    found['in TLS: EHLO 502'] = (says_in_tls('EHLO', '502 5.5.1 What'), False)
    found['in TLS: EHLO closes'] = (says_in_tls('EHLO', CLOSE), False)
    found['in TLS: offers STARTTLS again'] = (says_in_tls('EHLO', ehlo('next-hop', 'STARTTLS', 'AUTH PLAIN')), True)
    found['in TLS: ends it, and on in clear'] = ({'session_class': session(after=close_tls)}, False)
    return found


def start_hops(work, wanted):
    made = {}
    for name, (values, _) in wanted.items():
        values = dict({'extensions': EXTENSIONS, 'tls': certificates.server_context(), 'session_class': Session},
                      **values)
        made[name] = work.own(NextHop(**values))
    return made


def run(work, wanted, destination):
    """A destination for each, and a message to each. Returns the next hops and the relay when all have been tried."""
    hops = start_hops(work, wanted)
    domains = {name: 'd%d.example.com' % number for number, name in enumerate(wanted)}
    configuration = work.configuration(['127.0.0.1:1'], destinations=[
        dict({'name': domains[name], 'hosts': [hops[name].host]}, **destination) for name in wanted], routes=[
            {'recipient': '*@' + domains[name], 'destination': domains[name]} for name in wanted])
    configuration['routes'].append({'destination': domains['as usual']})
    relay = work.relay(configuration)
    with Client(relay.address) as client:
        client.hello()
        for number, name in enumerate(wanted):
            client.envelope(recipients=['one@' + domains[name]])
            client.data(message(number, 1500))
        client.command('QUIT', 221)
    return hops, domains, relay


def nothing_in_clear(name, hop):
    for it in hop.sessions:
        # What follows STARTTLS in its own time is a ClientHello, which says nothing of the mail.
        lines = [line for line in bytes(it.plain).split(b'\r\n') if line]
        said = bytes(it.plain)
        for secret in SECRETS:
            check(secret not in said, '%s: the secret was said in clear: %s', name, said[-300:])
        for line in lines[:lines.index(b'STARTTLS')] if b'STARTTLS' in lines else lines:
            check(line.split(b' ')[0].upper() in HARMLESS, '%s: said in clear: %s', name, line)
        for word in (b'MAIL FROM', b'AUTH ', b'RCPT TO', b'X-Sequence', b'Subject:'):
            check(word not in said, '%s: in clear: %s', name, said[-300:])


@case
def STL_06_07_required():
    """Required and with a login: what is odd keeps mail waiting, and says nothing of it."""
    wanted = scenarios()
    check(len(wanted) > 60, 'only %d scenarios', len(wanted))
    with Workspace() as work:
        os.chmod(work.write('password', SECRET), 0o600)
        hops, domains, relay = run(work, wanted, {
            'tls': {'mode': 'verify', 'ca_file': certificates.ca, 'server_name': 'mail.example.org'},
            'auth': {'mechanism': 'plain', 'user': 'relay@example.org', 'password_file': 'password'}})
        arrive = {name for name, (_, arrives) in wanted.items() if arrives}

        def done(name):
            return hops[name].arrivals if name in arrive else hops[name].accepted >= 2
        eventually(lambda: all(done(name) for name in wanted), lambda: 'not yet: %s' % [
            (name, len(hops[name].arrivals), hops[name].accepted, len(hops[name].sessions)) for name in wanted
            if not done(name)], 90)
        for name, hop in hops.items():
            nothing_in_clear(name, hop)
            check(not hop.errors, '%s: %s', name, hop.errors[:1])
            equal(len(hop.arrivals), 1 if name in arrive else 0, name + ': arrivals')
            check(all(arrival.session.encrypted for arrival in hop.arrivals), '%s: arrived in clear', name)
        equal(relay.count['failed'], 0, 'given up')
        relay.terminate()


def outcomes(name, arrives):
    """What may become of mail where TLS is used only where it can be had: tls, clear or waits."""
    if arrives or name.startswith('certificate') or name in ('EHLO AUTH only before TLS', 'in TLS: EHLO 502'):
        return {'tls'}
    if name.startswith(('greeting', 'in TLS:')) or name in ('EHLO 354', 'EHLO 421', 'STARTTLS 421',
                                                                'EHLO nothing that is a reply'):
        return {'waits'}
    if name.endswith((' with the 220', 'with the 220, and on in clear')):
        return {'waits'}  # STL-06: under every policy
    if 'behind it' in name:
        return {'waits', 'clear'}  # whether they come before the relay has begun with TLS is chance
    return {'clear'}


def outcome(hop):
    encrypted = {arrival.session.encrypted for arrival in hop.arrivals}
    return 'waits' if not encrypted else 'tls' if encrypted == {True} else 'clear'


@case
def STL_06_07_opportunistic():
    """TLS where it can be had: in clear only where it is not offered or fails, and never with octets behind the 220."""
    wanted = scenarios()
    with Workspace() as work:
        hops, domains, relay = run(work, wanted, {'tls': {'mode': 'opportunistic'}})
        expected = {name: outcomes(name, arrives) for name, (_, arrives) in wanted.items()}

        def done(name):
            return outcome(hops[name]) in expected[name] and (hops[name].arrivals or hops[name].accepted >= 2)
        eventually(lambda: all(done(name) for name in wanted), lambda: 'not yet: %s' % [
            (name, outcome(hops[name]), expected[name], hops[name].accepted) for name in wanted
            if not done(name)], 90)
        for name, hop in hops.items():
            check(not hop.errors, '%s: %s', name, hop.errors[:1])
            check(len(hop.arrivals) <= 1, '%s: arrivals: %d', name, len(hop.arrivals))

        def lost():
            return {event['destination'] for event in relay.events('fallback') if event['without'] == 'TLS'}
        for name in ('STARTTLS closes', 'STARTTLS 354', 'STARTTLS no reply'):
            eventually(lambda name=name: domains[name] in lost(), '%s: the operator is told' % name)
        relay.terminate()
        for name in ('not offered', 'STARTTLS 454'):
            check(domains[name] not in lost(), '%s: remembered without need', name)
        equal(relay.count['failed'], 0, 'given up')


if __name__ == '__main__':
    harness.main()
