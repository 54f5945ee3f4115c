#!/usr/bin/python3
"""tests/e2e/test_page_sheet.py - the sheet of settings for a machine on the page: the words of `postrider device`, and
the code that a telephone reads has them; whatever is typed into the form means nothing to a browser or to a shell."""

import ctypes
import html
import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from control_socket import asked  # noqa: E402
from harness import Workspace, case, check, equal, program  # noqa: E402
from page_lab import Lab  # noqa: E402

PASSWORD = 'correct horse battery'


class Code(ctypes.Structure):
    _fields_ = [('version', ctypes.c_int), ('width', ctypes.c_int), ('data', ctypes.POINTER(ctypes.c_ubyte))]


def dark_squares(text):
    """Of the code for a text, as the library has it."""
    library = ctypes.CDLL('libqrencode.so.4')
    library.QRcode_encodeData.restype = ctypes.POINTER(Code)
    octets = text.encode()
    code = library.QRcode_encodeData(len(octets), octets, 0, 1).contents
    return {(x + 4, y + 4) for y in range(code.width) for x in range(code.width)
            if code.data[y * code.width + x] & 1}, code.width + 8


def drawn_squares(view):
    """Of the code in a view."""
    (side, drawn), = re.findall(r'viewBox="0 0 (\d+) \d+".*?<path fill="#000" d="([^"]*)"/>', view)
    squares = set()
    for x, y, wide in re.findall(r'M(\d+) (\d+)h(\d+)v1h-\d+z', drawn):
        squares |= {(int(x) + i, int(y)) for i in range(int(wide))}
    return squares, int(side)


def sheet_of(view):
    found = re.search(r'<section class="sheet">.*?<pre>(.*?)</pre>', view, re.S)
    check(found, view)
    return html.unescape(found.group(1))


def command_of(view):
    return html.unescape(re.search(r'<pre>(postrider device add.*?)</pre>', view, re.S).group(1))


def lab_of(work, **changes):
    os.makedirs(work.path('devices.d'), exist_ok=True)
    lab = Lab(work, devices='devices.d', **changes)
    lab.enter()
    return lab


def by_command(work, command):
    """As a person runs it, in a shell: what it prints."""
    function = ('postrider() { verb=$1; shift; [ $verb = reload ] || { verb="$verb $1"; shift; }; '
                '"$RELAY" $verb --config "$FILE" "$@"; }\n')
    result = subprocess.run(['sh', '-c', function + command],
                            capture_output=True, text=True, timeout=60, cwd=work.directory,
                            env={**os.environ, 'RELAY': program('postrider'), 'FILE': work.path('postrider.yaml')})
    equal(result.returncode, 0, result.stderr)
    return result.stdout


@case
def the_words_of_the_command():
    """What the page says of a machine that is to come, what `device add` prints, and what it says then are one."""
    with Workspace() as work:
        lab = lab_of(work)
        profiles = asked(work.path('control.sock'), '/v1/profiles')[1]['profiles']
        check(any(one['name'] == 'xerox-old' and 'Xerox' in one['about'] for one in profiles), profiles)
        values = {'name': 'Copier 3rd floor', 'address': '10.20.3.14', 'user': '', 'profile': 'xerox-old',
                  'from': 'copier@example.org', 'place': ''}
        status, _, view, _ = lab.ask('/page/device?' + urllib.parse.urlencode(values))
        equal(status, 200, view)
        before = sheet_of(view)
        printed = by_command(work, command_of(view))
        check(before in printed, '%s\n---\n%s' % (before, printed))
        for words in ('SMTP server', 'port  ', 'encryption', 'copier@example.org', 'In the menu of'):
            check(words in before, words)
        status, _, view, _ = lab.ask('/page/device?name=Copier+3rd+floor')
        equal((status, sheet_of(view)), (200, before), 'of the inventory')
        check('device add' not in view, 'there is nothing to add')
        shown = by_command(work, "postrider device show 'Copier 3rd floor'")
        check(before in shown, shown)
        settings = asked(work.path('control.sock'), '/v1/sheet?name=Copier%203rd%20floor')[1]['settings']
        check(settings in before and settings.startswith('Type into the machine:'), settings)
        equal(drawn_squares(view), dark_squares(settings), 'the code')
        # Black on white with four squares of white around, whatever colours the page has: telephones read no other.
        check('fill="#fff"/><path fill="#000"' in view, view)
        equal(min(x for x, _ in drawn_squares(view)[0]), 4, 'white beside it')
        # It may be one of many, and looked for in the list by its name.
        by_command(work, 'postrider reload')
        check('/page/device?name=Copier%203rd%20floor' in lab.ask('/page/devices')[2], 'the list leads there')


@case
def no_secret():
    """Who signs in has a password that is in no sheet, nor is its hash."""
    with Workspace() as work:
        line = subprocess.run([program('postrider'), 'hash', 'copier'], input=PASSWORD.encode() + b'\n',
                              capture_output=True, check=True).stdout.decode()
        os.chmod(work.write('users', line), 0o600)
        work.write('devices.d/one.yaml', '{ name: Scanner, user: copier }\n')
        lab = lab_of(work, users_file='users')
        view = lab.ask('/page/device?name=Scanner')[2]
        check('sign in       copier, with the password' in sheet_of(view), view)
        answer = str(asked(work.path('control.sock'), '/v1/sheet?name=Scanner'))
        for text in (view, answer, lab.ask('/page/devices')[2]):
            check(PASSWORD not in text and line.strip().partition(':')[2] not in text, text)


@case
def what_is_typed():
    """It is refused with what to write, or shown as it is; the command is one for a shell, whatever is in it."""
    odd = "x'; touch stolen; echo '$(touch stolen)`touch stolen`"
    with Workspace() as work:
        lab = lab_of(work)
        for values, code, words in (
                ({'name': ''}, 400, 'write name'), ({'name': 'nobody'}, 404, 'no device of that name'),
                ({'name': 'a', 'address': 'printer.example.org'}, 400, '10.20.3.14'),
                ({'name': 'a', 'address': '10.0.0.1', 'user': 'b'}, 400, 'one of address and user'),
                ({'name': 'a', 'address': '10.0.0.1', 'profile': 'xerx'}, 400, 'no profile'),
                ({'name': 'a', 'address': '10.0.0.1', 'profile': '../../etc/passwd'}, 400, 'is no name'),
                ({'name': 'a\nb', 'address': '10.0.0.1'}, 400, ''),
                ({'name': 'x' * 300, 'address': '10.0.0.1'}, 400, ''),
                ({'name': 'a', 'user': 'u' * 300}, 400, 'longer'), ({'name': 'a', 'user': 'u\x07'}, 400, 'control')):
            status, _, view, _ = lab.ask('/page/device?' + urllib.parse.urlencode(values))
            equal(status, code, '%s: %s' % (values, view))
            check(words in html.unescape(view) and 'Make its sheet' in view, '%s: %s' % (values, view))
        hostile = '"><img src=x onerror=alert(1)></pre><script>alert(2)</script>'
        view = lab.ask('/page/device?' + urllib.parse.urlencode({'name': 'a', 'address': '10.0.0.1', 'place': hostile,
                                                                 'from': hostile}))[2]
        check('<img' not in view and '<script>' not in view and html.escape(hostile) in view, view)
        equal(drawn_squares(view)[1] > 30, True, 'a code')
        # It says too much for a code: the sheet is there all the same. And one that begins like a link is none.
        view = lab.ask('/page/device?' + urllib.parse.urlencode({'name': 'http://evil.example/', 'user': 'ü' * 100,
                                                                 'from': 'x' * 320}))[2]
        check('<a href="http' not in view, view)
        view = lab.ask('/page/device?' + urllib.parse.urlencode({'name': odd, 'address': '10.20.3.14',
                                                                 'place': odd}))[2]
        printed = by_command(work, command_of(view))
        check(odd in printed and not os.path.exists(work.path('stolen')), printed)
        # Nothing was written by the page itself.
        equal(len(os.listdir(work.path('devices.d'))), 1, 'entries')
        # A name like an option, and what would have a command read as another one.
        view = lab.ask('/page/device?' + urllib.parse.urlencode({'name': '--help', 'address': '10.20.3.15'}))[2]
        by_command(work, command_of(view))
        equal(len(os.listdir(work.path('devices.d'))), 2, 'entries')
        for key in ('name', 'user', 'place'):
            values = {'name': 'a', 'user': 'b', key: 'x\u202e3.2.1'}
            status, _, view, _ = lab.ask('/page/device?' + urllib.parse.urlencode(values))
            check(status == 400 and 'direction' in view, '%s: %s' % (key, view))
        # By now the file is broken: it is said, and nothing else is shown for it.
        work.write('postrider.yaml', 'hostnme: x\n')
        status, _, view, _ = lab.ask('/page/device?name=x')
        check(status == 409 and 'hostnme' in view, view)


@case
def which_files_are_read():
    """Of a device in force none; of one that is to come none of the inventory; of a name that is not in force all."""
    with Workspace() as work:
        work.write('devices.d/one.yaml', '{ name: Scanner, address: 10.20.3.14 }\n')
        lab = lab_of(work)
        before = sheet_of(lab.ask('/page/device?name=Scanner')[2])
        comes = {'name': 'Copier', 'address': '10.20.3.15'}
        work.write('devices.d/two.yaml', '{ name: Copier, addres: 10.20.3.15 }\n')
        status, _, view, _ = lab.ask('/page/device?name=Copier')
        check(status == 409 and 'unknown key' in view, view)
        status, _, view, _ = lab.ask('/page/device?' + urllib.parse.urlencode(comes))
        equal(status, 200, view)
        check('device add' in view, view)
        status, _, view, _ = lab.ask('/page/device?' + urllib.parse.urlencode({**comes, 'name': 'scanner'}))
        check(status == 400 and 'already' in view, view)
        work.write('devices.d/two.yaml', '{ name: Copier, address: 10.20.3.15 }\n')
        equal(lab.ask('/page/device?name=Copier')[0], 200, 'one that was written since')
        work.write('postrider.yaml', 'hostnme: x\n')
        status, _, view, _ = lab.ask('/page/device?name=Scanner')
        equal((status, sheet_of(view)), (200, before), 'one in force')
        equal(lab.ask('/page/device?' + urllib.parse.urlencode(comes))[0], 409, 'the file is broken')


if __name__ == '__main__':
    os.environ.setdefault('POSTRIDER_PROFILES', os.path.join(harness.SOURCES, 'dist', 'profiles'))
    harness.main()
