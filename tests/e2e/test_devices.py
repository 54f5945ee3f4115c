#!/usr/bin/python3
"""tests/e2e/test_devices.py - old devices as they speak, and that what is forgiven one is forgiven nobody else."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import Client, NextHop, Workspace, case, check, equal, eventually, program, same_octets  # noqa: E402

PROFILES = os.path.join(harness.SOURCES, 'dist', 'profiles')
os.environ['POSTRIDER_PROFILES'] = PROFILES

# Who comes from where: a client of its own for each way in which lines may end.
CLIENTS = [{'name': 'lines', 'networks': ['127.0.0.2'], 'line_endings': 'normalize', 'long_lines': 'wrap'},
           {'name': 'any', 'networks': ['127.0.0.3'], 'line_endings': 'any'},
           {'name': 'others', 'networks': ['127.0.0.0/8']}]


class Place:
    """A relay, and a next hop that has what arrives."""

    def __init__(self, **changes):
        self.work = Workspace()
        self.hop = self.work.own(NextHop(harness.ALL_EXTENSIONS))
        self.relay = self.work.relay(self.work.configuration([self.hop.host], shards=1, **changes))
        self.arrived = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        with self.work:
            if kind is None:
                self.relay.terminate()
                equal(len(self.hop.arrivals), self.arrived, 'messages that arrived')

    def device(self, source):
        return Client(self.relay.address, source=source)

    def next_arrival(self):
        """What has arrived since, as it was on the wire: clean, whatever the device sent."""
        self.arrived += 1
        arrival = self.hop.wait_arrivals(self.arrived)[-1]
        check(not re.search(rb'\r(?!\n)|(?<!\r)\n|\0', arrival.raw), 'not clean: %r', harness.shorten(arrival.raw))
        return arrival


def talk(client, end, content, terminator, recipient='r@example.com'):
    """A session as a device writes it that ends its command lines in `end`; returns the replies' codes."""
    found = []
    for line in ('EHLO copier', 'MAIL FROM:<a@example.net>', 'RCPT TO:<%s>' % recipient, 'DATA'):
        client.send(line.encode() + end)
        reply = client.reply()
        found.append(reply and reply[0])
        if not reply or reply[0] >= 400:
            return found
    client.send(content + terminator)
    client.send(b'QUIT' + end)
    return found + [code for code, _ in client.replies()]


GOOD = [250, 250, 250, 354, 250, 221]
HEAD = b'Subject: scan\r\nX-Postrider-Sequence: %012d\r\n\r\n'


@case
def bare_lf_in_content_is_repaired_for_its_client_alone():
    """curl hands over a file with LF as it is, and ends it with CRLF.CRLF; MIME::Lite writes CR CR LF."""
    body = b'one\ntwo\r\r\nthree\r\n..four\n.\nMAIL FROM:<evil@example.net>\n'
    whole = b'one\r\ntwo\r\nthree\r\n.four\r\n.\r\nMAIL FROM:<evil@example.net>\r\n'
    with Place(clients=CLIENTS) as place:
        with place.device('127.0.0.4') as client:
            equal(talk(client, b'\r\n', HEAD % 1 + body, b'\r\n.\r\n'), GOOD[:4] + [550, 221], 'without it')
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', HEAD % 2 + body, b'\r\n.\r\n'), GOOD, 'with it')
        same_octets(place.next_arrival().original, HEAD % 2 + whole + b'\r\n', 'content')
        # Its commands must end in CRLF all the same, and a CR in the middle of a line means nothing.
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\n', b'', b''), [500], 'a command that ends in LF')
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', HEAD % 3 + b'a\rb', b'\r\n.\r\n'), GOOD[:4] + [550, 221], 'a CR in a line')


@case
def repaired_content_ends_where_everybodys_does():
    """SMG-01, SMG-02: of all that ends data elsewhere, nothing does here but CRLF.CRLF."""
    with Place(clients=CLIENTS) as place:
        for number, end in enumerate((b'\n.\n', b'\n.\r\n', b'\r\n.\n', b'\r\r\n.\r\r\n', b'\n.\r\r\n'), 1):
            inside = b'text' + end + b'MAIL FROM:<evil@example.net>\r\nRCPT TO:<v@example.com>\r\nDATA\r\n'
            with place.device('127.0.0.2') as client:
                equal(talk(client, b'\r\n', HEAD % number + inside, b'evil\r\n.\r\n'), GOOD, repr(end))
            arrival = place.next_arrival()
            equal(arrival.sender, 'a@example.net', 'sender')
            check(arrival.original.endswith(b'\r\nDATA\r\nevil\r\n'), 'cut: %r', arrival.original)
        with place.device('127.0.0.2') as client:
            # Behind a CR CR LF there is no line of its own: a CR that is bare, and refused.
            equal(talk(client, b'\r\n', HEAD % 9 + b'x\r.\r\ny', b'\r\n.\r\n'), GOOD[:4] + [550, 221], 'CR.CRLF')


@case
def what_is_refused_anyway_is_refused_for_that():
    """What is read to its end and not kept is repaired nowhere, and has no faults that its client is forgiven."""
    with Place(clients=CLIENTS, spool={'message_size_max': '64KiB'}) as place:
        for pad in range(4):
            content = HEAD % 1 + b'x' * pad + b'a\nbc\r\r\n\n' * 20000
            with place.device('127.0.0.2') as client:
                client.hello()
                client.envelope()
                client.command('DATA', 354)
                client.send(content)
                client.send(b'\r\n.\r\n')
                client.expect(552)


@case
def a_header_ends_where_repaired_lines_say():
    """Behind an empty line that ends in CR CR LF there are no hops: a forwarded message in the body has its own."""
    fields = b'Received: from a by b; Fri, 27 Nov 2026 19:00:00 +0000\r\r\n' * 120
    head = (HEAD % 1).replace(b'\r\n', b'\r\r\n')
    with Place(clients=CLIENTS) as place:
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', head + fields, b'\r\n.\r\n'), GOOD, 'in the body')
        place.next_arrival()
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', fields + head, b'\r\n.\r\n'), GOOD[:4] + [554, 221], 'in the header')


@case
def a_device_that_ends_all_lines_in_lf():
    """Its DATA line says how its content's lines end; a device that says CRLF there has the strict end."""
    with Place(clients=CLIENTS) as place:
        for number, end in enumerate((b'\n', b'\r\r\n'), 1):
            content = (HEAD % number).replace(b'\r\n', end) + b'..dot' + end + b'last' + end
            with place.device('127.0.0.4') as client:
                equal(talk(client, end, content, b'.' + end)[0], 501 if number == 2 else 500, 'without it')
            with place.device('127.0.0.3') as client:
                equal(talk(client, end, content, b'.' + end), GOOD, repr(end))
            same_octets(place.next_arrival().original, HEAD % number + b'.dot\r\nlast\r\n', 'content')
        with place.device('127.0.0.3') as client:
            inside = b'text\n.\nMAIL FROM:<evil@example.net>\nRCPT TO:<v@example.com>\nDATA\nevil\n.\n'
            equal(talk(client, b'\r\n', HEAD % 3 + inside, b'\r\n.\r\n'), GOOD, 'commands in CRLF')
        arrival = place.next_arrival()
        equal(arrival.sender, 'a@example.net', 'sender')
        check(arrival.original.endswith(b'evil\r\n.\r\n\r\n'), 'cut: %r', arrival.original)


@case
def long_lines_are_wrapped():
    """A page of HTML in one line, as scanners write it: Exchange Online and others refuse it, or cut it."""
    line = b'word ' * 5000
    with Place(clients=CLIENTS) as place:
        with place.device('127.0.0.2') as client:
            equal(talk(client, b'\r\n', HEAD % 1 + line, b'\r\n.\r\n'), GOOD, 'replies')
        found = place.next_arrival().original
        check(max(map(len, found.split(b'\r\n'))) <= 998, 'a line of %d', max(map(len, found.split(b'\r\n'))))
        same_octets(found.replace(b'\r\n', b''), (HEAD % 1 + line).replace(b'\r\n', b''), 'content')
        with place.device('127.0.0.4') as client:
            equal(talk(client, b'\r\n', HEAD % 2 + line, b'\r\n.\r\n'), GOOD, 'others')
        same_octets(place.next_arrival().original, HEAD % 2 + line + b'\r\n', 'as it was')


@case
def large_content_in_odd_pieces():
    """Repaired content fills many blocks, and leaves in parts while it arrives."""
    lines = b''.join(b'%07d %s\n' % (n, b'x' * (n % 130)) for n in range(20000))
    with Place(clients=CLIENTS) as place, place.device('127.0.0.2') as client:
        client.hello()
        client.envelope()
        client.command('DATA', 354)
        octets = HEAD % 1 + lines + b'\r\n.\r\n'
        at, size = 0, 1
        while at < len(octets):
            client.send(octets[at:at + size])
            at, size = at + size, size * 7 % 30011 + 1
        client.expect(250)
        same_octets(place.next_arrival().original, HEAD % 1 + lines.replace(b'\n', b'\r\n') + b'\r\n', 'content')

# ---- the inventory ---------------------------------------------------------------------------------------------------

LONG = b'x' * 700 + b' ' + b'y' * 700


class Office(Place):
    """A relay whose clients are the devices of an inventory, each with an address of its own."""

    def __init__(self, devices, **changes):
        self.directory = tempfile.mkdtemp(prefix='devices.')
        os.chmod(self.directory, 0o755)
        for number, device in enumerate(devices):
            self.entry('%d.yaml' % number, device)
        super().__init__(devices=self.directory,
                         clients=changes.pop('clients', [{'name': 'devices', 'devices': True}]), **changes)

    def __exit__(self, kind, value, trace):
        try:
            super().__exit__(kind, value, trace)
        finally:
            shutil.rmtree(self.directory)

    def entry(self, name, device):
        with open(os.path.join(self.directory, name), 'w', encoding='utf-8') as f:
            json.dump(device, f)

    def tool(self, *arguments, status=0):
        """`postrider device ...`; returns what it writes: parsed, where that was asked for."""
        command = [program('postrider'), 'device', *arguments, '--config', self.work.path('postrider.yaml')]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        equal(done.returncode, status, '%s: %s' % (arguments, done.stderr))
        return json.loads(done.stdout) if '--json' in arguments else done.stdout + done.stderr

    def reload(self):
        count = len(self.relay.events('reloaded')) + len(self.relay.events('reload_refused'))
        self.relay.signal(signal.SIGHUP)
        eventually(lambda: len(self.relay.events('reloaded')) + len(self.relay.events('reload_refused')) > count,
                   'a reload')

    def restart(self, ends):
        ends()
        self.relay = self.work.relay(json.load(open(self.work.path('postrider.yaml'), encoding='utf-8')))

    def send(self, source, number=1):
        with self.device(source) as client:
            equal(talk(client, b'\r\n', HEAD % number + b'scan', b'\r\n.\r\n'), GOOD, source)
        self.next_arrival()


def helo(client, end, name=b'HELO'):
    client.send(name + end)
    return client.reply()[0]


def speak(client, profile):
    """A message as a machine of that kind sends it; returns the codes from MAIL on."""
    end, content, dot, hello, path = b'\r\n', b'a\r\n' + LONG, b'\r\n.\r\n', b'EHLO copier', b'<%s>'
    if profile in ('old', 'curl', 'konica-minolta', 'kyocera', 'canon', 'hp-mfp', 'brother', 'server-board'):
        content = b'a\n' + LONG + b'\nb'
    elif profile == 'mime-lite':
        content = b'a\r\r\n' + LONG + b'\r\r\nb'
    elif profile == 'monitoring':
        content = b'<html>\n<body>\n' + LONG + b'</body>\n</html>\n'
    elif profile == 'lf-only':
        end, content, dot = b'\n', b'a\n' + LONG + b'\n', b'.\n'
    elif profile in ('xerox-old', 'ricoh'):
        hello, content, path = b'HELO scanner', b'a\n' + LONG, b' %s'
    elif profile == 'apc-nmc':
        hello, content = b'HELO ', b'UPS on battery\n'
    equal(helo(client, end, hello), 250, 'HELO')
    found = []
    for line in (b'MAIL FROM:' + path % b'a@example.net', b'RCPT TO:' + path % b'r@example.com', b'DATA'):
        client.send(line + end)
        found.append(client.reply()[0])
        if found[-1] >= 400:
            return found
    client.send((HEAD % 1).replace(b'\r\n', end) + content + dot)
    return found + [client.reply()[0]]


def profiles():
    return sorted(name[:-5] for name in os.listdir(PROFILES) if name.endswith('.yaml'))


@case
def a_device_for_each_profile():
    """What such a machine sends goes through with its profile; without it it is refused, or its lines stay too long."""
    names = [name for name in profiles() if name != 'strict']
    devices = [{'name': 'My ' + name, 'address': '127.1.0.%d' % n, 'profile': name, 'from': name + '@example.org'}
               for n, name in enumerate(names, 1)]
    with Office(devices, clients=[{'name': 'devices', 'devices': True},
                                  {'name': 'others', 'networks': ['127.2.0.0/16']}]) as office:
        for device in devices:
            with office.device(device['address']) as client:
                equal(speak(client, device['profile']), [250, 250, 354, 250], device['profile'])
            arrival = office.next_arrival()
            found = arrival.original
            check(max(map(len, found.split(b'\r\n'))) <= 998, '%s: a line is too long', device['profile'])
            head = found.partition(b'\r\n\r\n')[0] + b'\r\n'
            check(re.search(rb'^Date: .*\r\n', head, re.M) and re.search(rb'^Message-ID: <.*>\r\n', head, re.M),
                  '%s: no Date, or no Message-ID: %r', device['profile'], head)
            own = 'from: device' in open(os.path.join(PROFILES, device['profile'] + '.yaml'), encoding='utf-8').read()
            equal(arrival.sender, device['from'] if own else 'a@example.net', 'sender')
            check(not own or b'From: "%s" <%s>' % (device['name'].encode(), device['from'].encode()) in head or
                  b'From: %s <%s>' % (device['name'].encode(), device['from'].encode()) in head,
                  '%s: the author: %r', device['profile'], head)
            with office.device('127.2.0.1') as client:
                codes = [500] if device['profile'] == 'lf-only' and client.send(b'EHLO x\n') is None and \
                    client.reply()[0] == 500 else speak(client, device['profile'])
            if codes[-1] == 250:
                found = office.next_arrival().original
                check(max(map(len, found.split(b'\r\n'))) > 998, '%s: nothing needs the profile', device['profile'])
        return '%d profiles' % len(devices)


@case
def strict_forgives_nothing():
    """What is forgiven all who may relay, is not where the profile says so."""
    with Office([{'name': 'application', 'address': '127.1.0.1', 'profile': 'strict'},
                 {'name': 'other', 'address': '127.1.0.2'}]) as office:
        for address, code in (('127.1.0.1', 501), ('127.1.0.2', 250)):
            with office.device(address) as client:
                client.hello()
                client.command('MAIL FROM: a@example.net', code)


@case
def a_device_known_by_its_user():
    """HELO, AUTH LOGIN in two lines, then mail: whose session it is, and what is forgiven, is known behind 235."""
    devices = [{'name': 'scanner', 'user': 'scan1', 'profile': 'xerox-old'}]
    done = subprocess.run([program('postrider'), 'hash', 'scan1'], input='secret\n', capture_output=True, text=True,
                          check=True, timeout=60)
    with tempfile.NamedTemporaryFile('w', suffix='.users') as users:
        users.write(done.stdout)
        users.flush()
        with Office(devices, users_file=users.name,
                    listeners=[{'name': 'lan', 'address': '127.0.0.1:0', 'auth': 'offered',
                                'auth_in_clear': True}]) as office:
            with office.device('127.1.0.77') as client:
                client.command('HELO scanner', 250)
                client.command('AUTH LOGIN', 334)
                client.command(base64.b64encode(b'SCAN1'), 334)
                client.command(base64.b64encode(b'secret'), 235)
                client.command('MAIL FROM: a@example.net', 250)
                client.command('RCPT TO: r@example.com', 250)
                client.command('DATA', 354)
                client.send(HEAD % 1 + b'one\ntwo\r\n.\r\n')
                client.expect(250)
            check(office.next_arrival().original.endswith(b'one\r\ntwo\r\n'), 'content')
            eventually(lambda: office.relay.events('accepted'), 'the event')
            equal(office.relay.told('accepted')[0].get('device'), 'scanner', 'accepted')
            sheet = office.tool('show', 'scanner')
            check('sign in       scan1' in sheet and 'encryption    none' in sheet, '%s', sheet)
            with office.device('127.1.0.77') as client:
                client.hello()
                client.command('MAIL FROM:<a@example.net>', 250)
                client.command('RCPT TO:<r@example.com>', 550)
            check(len(office.relay.noise) == 1 and 'auth_in_clear' in office.relay.noise[0], '%s', office.relay.noise)
            office.relay.noise.clear()


@case
def added_shown_and_removed():
    """By hand and by the command; what would be wrong, or is there already, is refused and nothing has changed."""
    with Office([]) as office:
        with office.device('127.1.0.9') as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<r@example.com>', 550)
        said = office.tool('add', 'Copier, 3rd floor', '--address', '127.1.0.9', '--profile', 'xerox-old', '--from',
                           'copier@example.net', '--owner', 'anna@example.net', '--place', 'by "the" kitchen')
        for part in ('let in by     devices', 'relay.example.org',
                     'encryption    none', 'Properties > Connectivity', 'copier@example.net',
                     'postrider reload'):
            check(part in said, '%s: %s', part, said)
        equal(os.listdir(office.directory), ['copier-3rd-floor.yaml'], 'files')
        for arguments, status, part in (
                (('copier, 3RD floor', '--address', '127.1.0.8'), 1, 'is there already'),
                (('other', '--address', '127.1.0.9'), 1, 'is there already'),
                (('other', '--address', '127.1.0.0/24'), 78, 'is a network'),
                (('other', '--address', '127.1.0.8', '--profile', 'xerox-odl'), 78, 'did you mean "xerox-old"?'),
                (('other', '--address', '127.1.0.8', '--owner', 'anna'), 78, 'is no address'),
                (('other', '--address', '127.1.0.8', '--user', 'x'), 64, 'one of --address and --user'),
                (('other',), 64, 'one of --address and --user'), ((' x', '--user', 'x'), 64, 'blank')):
            said = office.tool('add', *arguments, status=status)
            check(part in said, '%s: %s', arguments, said)
        equal(len(os.listdir(office.directory)), 1, 'files')
        office.reload()
        office.send('127.1.0.9')
        office.entry('by-hand.yaml', [{'name': 'a', 'address': '127.1.0.10'}, {'name': 'b', 'user': 'b'}])
        rows = office.tool('list', '--json')
        equal([row['name'] for row in rows], ['a', 'b', 'Copier, 3rd floor'], 'list')
        check('cannot be told from others' in office.tool('remove', 'a', status=73), 'remove')
        check('no device' in office.tool('remove', 'c', status=1), 'remove')
        shown = office.tool('show', 'copier, 3rd FLOOR', '--json')
        equal([shown['place'], shown['profile'], shown['sheet']['encryption'], len(shown['sheet']['menu'])],
              ['by "the" kitchen', 'xerox-old', 'none', 3], 'show')
        equal(office.tool('remove', 'Copier, 3rd floor', '--json')['removed'], 'Copier, 3rd floor', 'remove')
        equal(os.listdir(office.directory), ['by-hand.yaml'], 'files')
        check('xerox-old' in office.tool('profiles') and 'lf-only' in office.tool('profiles'), 'profiles')


@case
def removed_from_among_others():
    """Its lines go, and comments, order and the other entries stay."""
    text = ('# our copiers\n- name: a\n  address: 127.1.0.1\n# the next one is on the roof\n'
            '- { name: b, address: 127.1.0.2 }   # seldom\n-   name: c\n    # by its user\n    user: c\n\n')
    with Office([]) as office:
        path = os.path.join(office.directory, 'floor.yaml')

        def write(text):
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)

        def left():
            with open(path, encoding='utf-8') as f:
                return f.read()
        write(text)
        for name, lines in (('b', '- { name: b, address: 127.1.0.2 }   # seldom\n'),
                            ('c', '-   name: c\n    # by its user\n    user: c\n')):
            check('is gone' in office.tool('remove', name), 'remove')
            text = text.replace(lines, '')
            equal(left(), text, 'the file without ' + name)
        office.reload()
        office.send('127.1.0.1')
        office.tool('remove', 'a')
        equal(os.listdir(office.directory), [], 'the last one takes its file with it')


@case
def several_at_once():
    """Devices whose names make the same file, added side by side; then removed: none is lost."""
    names = ['Copier' + '!' * n for n in range(12)]
    with Office([]) as office:
        def run(*arguments):
            processes = [subprocess.Popen([program('postrider'), 'device', verb, name, *rest, '--config',
                                           office.work.path('postrider.yaml')], stdout=subprocess.DEVNULL,
                                          stderr=subprocess.PIPE) for verb, name, *rest in arguments]
            for process in processes:
                said = process.communicate(timeout=60)[1]
                equal((process.returncode, said), (0, b''), 'status')
        run(*(('add', name, '--address', '127.1.0.%d' % (n + 1)) for n, name in enumerate(names)))
        run(*(('remove', name) for name in names[:6]))
        equal(sorted(row['name'] for row in office.tool('list', '--json')), names[6:], 'those that are there')
        office.entry('by-hand.yaml', [{'name': 'x' * 64, 'address': '2001:db8:1234:5678:9abc:def0:1234:5678'}])
        check(re.search('^x{64}  2001:db8:1234:5678:9abc:def0:1234:5678 ', office.tool('list'), re.M), 'cut')


@case
def a_wrong_entry_refuses_the_reload():
    """As a whole and with its place; the devices there were go on."""
    with Office([{'name': 'a', 'address': '127.1.0.1'}]) as office:
        office.entry('z.yaml', {'name': 'b', 'address': '127.1.0.1'})
        office.reload()
        refused = office.relay.events('reload_refused')
        equal(len(refused), 1, 'refusals')
        check('z.yaml:1:1: address: it is that of the device "a" already' in refused[0]['problem'], '%s', refused[0])
        office.send('127.1.0.1')
        os.unlink(os.path.join(office.directory, 'z.yaml'))
        office.entry('0.yaml', {'name': 'a', 'address': '127.1.0.2'})
        office.reload()
        equal(len(office.relay.events('reloaded')), 1, 'reloads')
        office.send('127.1.0.2', 2)
        with office.device('127.1.0.1') as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<r@example.com>', 550)


@case
def a_device_has_a_limit_of_its_own():
    with Office([{'name': 'a', 'address': '127.1.0.1', 'limits': {'connections': 2}},
                 {'name': 'b', 'address': '127.1.0.2'}, {'name': 'out', 'address': '::1'}],
                clients=[{'name': 'office', 'networks': ['127.1.0.0/24'], 'devices': True}]) as office:
        equal([office.tool('show', name, '--json')['sheet']['client'] for name in ('a', 'out')], ['office', None],
              'who lets it in')
        with office.device('127.1.0.1') as one, office.device('127.1.0.1') as two:
            with Client(office.relay.address, source='127.1.0.1', greeting=False) as third:
                equal(third.reply()[0], 421, 'a third connection')
            office.device('127.1.0.2').close()
            office.entry('c.yaml', {'name': 'c', 'address': '127.1.0.3'})
            office.reload()
            one.command('NOOP', 250)
            with Client(office.relay.address, source='127.1.0.1', greeting=False) as third:
                equal(third.reply()[0], 421, 'and after a reload')
            two.command('QUIT', 221)
            eventually(lambda: second_is_let_in(office), 'room again')


@case
def a_devices_minute():
    """Messages and recipients that a device may have in a minute: so many, and 452; others are not touched by it."""
    limits = {'messages_per_minute': 3, 'recipients_per_minute': 5}
    with Office([{'name': 'a', 'address': '127.1.0.1', 'limits': limits},
                 {'name': 'b', 'address': '127.1.0.2'}]) as office:
        for number in range(2):
            office.send('127.1.0.1', number)
        with office.device('127.1.0.1') as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 250)
            for code in (250, 250, 250, 452):
                check(client.command('RCPT TO:<r@example.com>', code)[1].count('this device') == (code == 452), 'whose')
            client.command('RSET', 250)
            # What was given up is given back, once.
            client.command('MAIL FROM:<a@example.net>', 250)
            client.command('RCPT TO:<r@example.com>', 250)
            client.command('DATA', 354)
            client.send(HEAD % 3 + b'.\r\n')
            client.expect(250)
            check('this device' in client.command('MAIL FROM:<a@example.net>', 452)[1], 'a fourth message')
        office.next_arrival()
        office.reload()
        with office.device('127.1.0.1') as client:
            client.hello()
            client.command('MAIL FROM:<a@example.net>', 452)
        for number in range(4, 9):
            office.send('127.1.0.2', number)


def second_is_let_in(office):
    with Client(office.relay.address, source='127.1.0.1', greeting=False) as client:
        return client.reply()[0] == 220


@case
def its_mail_in_the_queue():
    """By the device that it came from, as the inventory had it then, also where it has it no more."""
    devices = [{'name': 'Copier, 3rd floor', 'address': '127.1.0.1'}, {'name': 'other', 'address': '127.1.0.2'}]
    with Office(devices, control={'socket': 'control.sock'},
                retry={'first': '1h', 'factor': 1, 'max': '1h'}) as office:
        socket = office.work.path('control.sock')

        def queue(*arguments):
            done = subprocess.run([program('postrider'), 'queue', *arguments, '--json', '--socket', socket],
                                  capture_output=True, text=True, timeout=60)
            equal(done.returncode, 0, '%s: %s' % (arguments, done.stderr))
            return json.loads(done.stdout)

        office.hop.script = lambda stage, session, argument: '450 4.2.0 later' if stage == 'RCPT' else None
        for source in '127.1.0.1', '127.1.0.1', '127.1.0.2':
            with office.device(source) as client:
                equal(talk(client, b'\r\n', HEAD % 1 + b'scan', b'\r\n.\r\n'), GOOD, source)
        office.relay.told('deferred', 3)
        os.unlink(os.path.join(office.directory, '0.yaml'))
        office.restart(office.relay.kill)
        for pattern, count in (('copier, 3RD floor', 2), ('cop*', 2), ('other', 1), ('*', 3), ('copier', 0)):
            rows = queue('list', '--device', pattern)['messages']
            equal(len(rows), count, pattern)
        rows = queue('list', '--device', 'Copier*')['messages']
        equal({row['device'] for row in rows}, {'Copier, 3rd floor'}, 'which it is')
        equal(queue('show', rows[0]['id'])['messages'][0]['device'], 'Copier, 3rd floor', 'show')
        held = queue('hold', '--device', 'copier, 3rd floor', '--reason', 'it is broken')['results']
        equal(sorted(one['id'] for one in held), sorted(row['id'] for row in rows), 'what is held')
        equal([row['device'] for row in queue('list', '--state', 'held')['messages']],
              ['Copier, 3rd floor'] * 2, 'held')
        queue('export', '--device', 'other', '--directory', office.work.path('out'))
        equal(len(os.listdir(office.work.path('out'))), 2, 'exported')
        queue('delete', '--device', '*', '--yes')
        equal(queue('list')['messages'], [], 'deleted')


@case
def what_is_seen_survives():
    """A kill and an ordinary end: messages, octets, the last refusal, when; and events name the device."""
    with Office([{'name': 'Copier', 'address': '127.1.0.1'}, {'name': 'unseen', 'address': '127.1.0.2'}]) as office:
        kept = office.work.path('spool', 'devices')
        with office.device('127.1.0.1') as client:
            client.command('VRFU', 500)
            client.command('QUIT', 221)
        office.send('127.1.0.1')
        eventually(lambda: os.path.exists(kept) and b'VRFU' not in open(kept, 'rb').read() and
                   office.tool('show', 'Copier', '--json')['messages'] == 1, 'what was seen', timeout=90)
        before = office.tool('show', 'copier', '--json')
        equal([before['refusals'], before['last_refusal'], before['tls'], before['state']],
              [1, '500 5.5.2 Command not recognised', None, 'ok'], 'what was seen')
        check(before['octets'] > 100 and before['first_seen'] and before['last_message'], '%s', before)
        for name in ('session', 'accepted', 'refused'):
            eventually(lambda: [event for event in office.relay.events(name) if event.get('device') == 'Copier'], name)
        office.restart(office.relay.kill)
        office.send('127.1.0.1', 2)
        office.restart(office.relay.terminate)
        rows = {row['name']: row for row in office.tool('list', '--json')}
        equal([rows['Copier']['messages'], rows['Copier']['first_seen'], rows['Copier']['refusals']],
              [2, before['first_seen'], 1], 'after a kill and an end')
        equal([rows['unseen']['state'], rows['unseen']['messages']], ['never seen', 0], 'one that was never there')
        check(re.search(r'Copier .* ok\n', office.tool('list')), '%s', office.tool('list'))


@case
def silent_and_back():
    """What a former process has found out is known: it is told when a silent device is back. A damaged file is told."""
    with Office([{'name': 'Copier', 'address': '127.1.0.1', 'place': 'cellar'}]) as office:
        kept = office.work.path('spool', 'devices')
        office.relay.terminate()
        hours = 'ff' * 21
        with open(kept, 'w', encoding='utf-8') as f:
            f.write('postrider-devices 1 100\nCopier\t1700000000 1700000000 1700000000 12 3456 TLSv1.2 0 0 9 2 3 40 '
                    '50 6 336 1 %s %s\t\nend 1\n' % (hours, hours))
        equal(office.tool('list', '--json')[0]['state'], 'silent', 'state')
        check('silent after 8 of these' in office.tool('show', 'Copier'), '%s', office.tool('show', 'Copier'))
        office.restart(lambda: None)
        office.send('127.1.0.1')
        eventually(lambda: office.relay.events('device_back'), 'the event', timeout=60)
        event = office.relay.told('device_back')[0]
        equal([event['device'], event['place'], event['last_message']], ['Copier', 'cellar', '2023-11-14T22:13:20Z'],
              'device_back')
        check(event['silent_s'] > 80000000, '%s', event)
        office.relay.terminate()
        equal([office.tool('list', '--json')[0][key] for key in ('state', 'messages')], ['ok', 13], 'state')
        with open(kept, 'w', encoding='utf-8') as f:
            f.write('postrider-devices 1 100\nCopier\t17\n')
        check('damaged' in office.tool('list'), 'damaged')
        office.restart(lambda: None)
        eventually(lambda: office.relay.events('devices_damaged'), 'the event')
        event = office.relay.told('devices_damaged')[0]
        equal([event['file'], event['kept']], [kept, kept + '.damaged'], 'devices_damaged')
        with open(event['kept'], encoding='utf-8') as f:
            check(f.read().endswith('Copier\t17\n'), 'what was set aside')
        office.send('127.1.0.1', 2)


if __name__ == '__main__':
    harness.main(together=4)
