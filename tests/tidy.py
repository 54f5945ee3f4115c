#!/usr/bin/python3
"""tests/tidy.py - the rules of the house that a program can check, so that people discuss design instead.

    tests/tidy.py [RULE]...      without arguments: all rules

Each rule prints "ok RULE", or one "FAILED RULE: FILE:LINE: what" for each place. The rules are the functions below.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

SOURCES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 80
COLUMNS_MAX = 120
TAB = 8

# Which folders a folder's files may include, from the bottom up. What is not named (core/main.c, tests) may all. The
# two sides stand on the store, and never include each other.
SHARED = ['core/base', 'core/smtp', 'core/config', 'tls', 'queue', 'core/shard', 'core/events']
LAYERS = {
    'core/base': ['core/base'],
    'tls': ['core/base', 'tls'],
    'queue': ['core/base', 'queue'],
    'core/smtp': ['core/base', 'core/smtp'],
    'core/config': ['core/base', 'core/config'],
    'core/confine': ['core/base', 'core/config', 'core/confine'],
    'core/stream': ['core/base', 'tls', 'core/stream'],
    'core/shard': ['core/base', 'queue', 'core/shard'],
    'core/events': ['core/base', 'core/smtp', 'core/events'],
    'core/trace': ['core/base', 'core/smtp', 'core/events', 'core/trace'],
    'core/agents': ['core/base', 'core/smtp', 'core/config', 'core/confine', 'queue', 'core/shard', 'core/events',
                    'core/agents'],
    'core/route': ['core/base', 'queue', 'core/config', 'core/shard', 'core/route'],
    'core/store': ['core/base', 'core/smtp', 'core/config', 'queue', 'core/shard', 'core/events', 'core/route',
                   'core/store'],
    'core/receive': SHARED + ['core/agents', 'core/stream', 'core/route', 'core/store', 'core/receive'],
    'core/deliver': SHARED + ['core/agents', 'core/stream', 'core/route', 'core/store', 'core/deliver'],
    'core/relay': SHARED + ['core/agents', 'core/stream', 'core/route', 'core/store', 'core/receive', 'core/deliver',
                            'core/trace', 'core/confine', 'core/relay'],
    'core/control': SHARED + ['core/agents', 'core/stream', 'core/route', 'core/store', 'core/receive', 'core/deliver',
                              'core/trace', 'core/relay', 'core/control'],
    'core/page': ['core/base', 'core/smtp', 'core/relay', 'core/config', 'core/control', 'core/page'],
    # What a person waits for stands beside the relay: it uses its engines, and nothing uses it.
    'core/tools': SHARED + ['core/confine', 'core/agents', 'core/trace', 'core/route', 'core/deliver', 'core/tools'],
    # queue for micro_queue and micro_spool; the load tools know nothing of it
    'bench': ['core/base', 'tls', 'core/smtp', 'queue', 'core/trace', 'bench'],
}
# So much of the C files outside its folder may include a header, in percent: one that all include joins them all.
HEADER_SHARE_MAX = 40

# A library's header: the only places that may include it.
LIBRARIES = {
    'liburing.h': ['core/base/ring_uring.c', 'bench/floor.c', 'bench/uring_wait.c',
                   'tests/unit/test_ring_restricted.c'],
    'wolfssl/': ['tls/', 'tests/unit/test_tls', 'tests/unit/tls_pair.h', 'tests/unit/anonymous_server.h',
                 'tests/unit/craft_record.h', 'tests/fuzz/fuzz_tls', 'tests/sim/'],
    'xxhash.h': ['queue/'],
    'yaml.h': ['core/config/'],
    'crypt.h': ['core/agents/password.c'],
    'unbound.h': ['core/agents/dns_library.c'],
    'idn2.h': ['core/smtp/idna.c'],
    'curl/': ['core/agents/fetch.c', 'core/tools/ask.c'],
    'microhttpd.h': ['core/control/', 'tests/unit/test_request_cut.c'],
    'gnutls/': ['core/control/client_certificate.c'],
    'openssl/': ['core/agents/signer.c', 'core/agents/key_pair.c', 'core/agents/webhook_sign.c', 'tls/rsa.c',
                 'core/agents/revocations.c', 'tests/unit/libcrypto_rig.c', 'tests/unit/test_revocations.c'],
    'jansson.h': ['core/agents/assertion.c', 'core/agents/incident_',
                  'core/agents/tls_report_', 'core/agents/token_', 'core/control/',
                  'core/page/',
                  'core/tools/token_claims.c', 'core/tools/doctor_bundle.c', 'core/tools/doctor_confined.',
                  'core/tools/written.', 'core/tools/ladder.c', 'core/tools/explain.c', 'core/tools/device',
                  'core/tools/suppress', 'core/tools/trace', 'core/tools/report', 'core/tools/route',
                  'core/tools/ask', 'core/tools/import.c', 'core/tools/credentials.c', 'core/tools/hash.c',
                  'core/tools/presets.c', 'core/checking.c',
                  'core/tools/incidents', 'core/tools/state', 'core/tools/queue',
                  'core/tools/top_model.', 'core/tools/top_gather.',
                  'core/tools/parcel', 'core/tools/journal', 'core/tools/mailq.c', 'core/tools/sendmail.c',
                  'tests/fuzz/fuzz_trace_fact.c', 'tests/fuzz/fuzz_parcel.c', 'tests/fuzz/fuzz_top.c'],
    'seccomp.h': ['core/confine/'],
    'sqlite3.h': ['core/trace/', 'tests/unit/test_trace_file.c'],
    'expat.h': ['core/tools/metabase.c'],
    'qrencode.h': ['core/page/qr.c'],
    'curses.h': ['core/tools/top_terminal.c'],
    'term.h': ['core/tools/top_terminal.c'],
    'zlib.h': ['core/agents/bundle.c', 'core/agents/tls_report_text.c'],
    'intel-ipsec-mb.h': ['tls/'],
}

# What may not be called of a library, and why (tls/README.md, "Known holes").
FORBIDDEN_CALLS = [
    (r'wolfSSL_(CTX_)?(set|get)_read_ahead|wolfSSL_inject', 'CVE-2026-93304: records are given one by one'),
    (r'wolfSSL_X509_(get_)?(notAfter|notBefore)', 'CVE-2026-5448: wc_GetDateInfo() over DecodedCert'),
    (r'wolfSSL_X509_check_(host|ip|email)\w*|WOLFSSL_LEFT_MOST_WILDCARD_ONLY', 'CVE-2024-5991: peer_name.c'),
    (r'wolfSSL_X509_(STORE_)?(CTX_)?(verify_cert|verify)\b', 'CVE-2026-5501, CVE-2026-11310: path.c'),
    (r'wolfSSL_X509_sign\w*|CertFromX509', 'CVE-2026-5447'),
    (r'wolfSSL_EVP_\w*[cC]ha[cC]ha\w*|wolfSSL_EVP_(Cipher|Encrypt|Decrypt)\w*', 'CVE-2026-5479: wc_ functions'),
    (r'wolfSSL_\w*(ALPN|alpn)\w*', 'CVE-2026-3547'),
    (r'wolfSSL_\w*(OCSP|ocsp)\w*', 'CVE-2026-94417'),
    (r'wolfSSL_\w*set_(client|server)_cert_type', 'CVE-2026-89136: no raw public keys'),
    (r'wolfSSL_\w*trust_peer_\w+', 'CVE-2026-93302: a certificate is trusted through its chain'),
    (r'wc_GetPubKeyDerFromCert', 'its answer is the SubjectPublicKeyInfo for some keys only'),
    (r'wolfSSL_\w*(memsave|memrestore|save_session|restore_session)\w*', 'CVE-2026-2646: sessions stay in memory'),
]

# Functions that may be longer: name and why.
LONG_FUNCTIONS = {
}


def read(path):
    with open(os.path.join(SOURCES, path), encoding='utf-8') as f:
        return f.read()


def files(*endings):
    """The project's files with these endings, as git knows them or would know them."""
    found = []
    for folder, folders, names in os.walk(SOURCES):
        relative = os.path.relpath(folder, SOURCES)
        folders[:] = sorted(name for name in folders if not name.startswith('.git') and name != '__pycache__' and
                            not (relative == '.' and name.startswith('build')) and name != 'corpus')
        for name in sorted(names):
            if not endings or name.endswith(endings):
                found.append(os.path.normpath(os.path.join(relative, name)))
    return found


def sources():
    return files('.c', '.h')


def scripts():
    """Python and shell, also where the name does not say so."""
    found = files('.py', '.sh')
    for path in files():
        if '.' not in os.path.basename(path) and path != 'LICENSE':
            if read(path).startswith('#!'):
                found.append(path)
    return found


def lines_of(path):
    return enumerate(read(path).split('\n'), 1)


def includes(path):
    for number, line in lines_of(path):
        found = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
        if found:
            yield number, found.group(1)


def folder_of(path):
    """The layer a file belongs to, or None."""
    return next((layer for layer in LAYERS if path.startswith(layer + '/')), None)


def include_direction():
    for path in sources():
        layer = folder_of(path)
        if layer is None:
            continue
        for number, name in includes(path):
            top = name.split('/')[0]
            if '/' in name and top in ('core', 'tls', 'queue', 'bench', 'tests') and \
                    folder_of(name) not in LAYERS[layer]:
                yield '%s:%d: %s may not include %s' % (path, number, layer, name)
            if '/' not in name and os.path.exists(os.path.join(SOURCES, os.path.dirname(path), name)):
                yield '%s:%d: write the path from the root: %s' % (path, number, name)


def calls():
    """{file: {file: a function of that one which it calls}} for core/, queue/ and tls/. What is called through a
    pointer, as callbacks are, is no arrow: that is what they are for."""
    texts, owners, own = {}, {}, set()
    for path in sources():
        if path.startswith(('core/', 'queue/', 'tls/')) and path.endswith('.c'):
            texts[path] = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', ' ', read(path), flags=re.S)
            for found in re.finditer(r'^([A-Za-z_][^\n;{}=()]*)\b([a-z_]\w*)\([^;{}]*\)\n\{', texts[path], re.M):
                own.add((path, found.group(2)))
                if not found.group(1).startswith('static'):
                    owners.setdefault(found.group(2), path)
    arrows = {path: {} for path in texts}
    for path, text in texts.items():
        for name in re.findall(r'(?<![\w.>])([a-z_]\w*)\(', text):
            if name in owners and (path, name) not in own:
                arrows[path].setdefault(owners[name], name)
    return arrows


def call_direction():
    """Who may not include a folder does not call what stands in it either."""
    arrows = calls()
    if sum(len(called) for called in arrows.values()) < 100:
        yield 'core/: only few calls were found'
    for path, called in arrows.items():
        for other, name in called.items():
            layer = folder_of(path)
            if layer and folder_of(other) not in LAYERS[layer]:
                yield '%s: %s may not call %s() of %s' % (path, layer, name, other)


def circles():
    """No two files call each other, by whatever way."""
    arrows = calls()
    # Who calls nobody that is left, or whom nobody does, is in no circle.
    while True:
        called_ones = {other for called in arrows.values() for other in called}
        done = [path for path, called in arrows.items()
                if path not in called_ones or not any(other in arrows for other in called)]
        if not done:
            break
        for path in done:
            del arrows[path]
    for path, called in sorted(arrows.items()):
        for other, name in called.items():
            if other in arrows:
                yield '%s: in a circle of files: it calls %s() of %s' % (path, name, other)


def header_share():
    """There is no header that everybody includes."""
    files_of = [path for path in sources() if path.startswith(('core/', 'queue/', 'tls/')) and path.endswith('.c')]
    users = {}
    for path in files_of:
        for _, name in includes(path):
            if '/' in name and os.path.dirname(name) != os.path.dirname(path) and not name.startswith('core/base/'):
                users.setdefault(name, set()).add(path)
    for name, paths in sorted(users.items()):
        others = sum(1 for path in files_of if os.path.dirname(path) != os.path.dirname(name))
        if 100 * len(paths) > HEADER_SHARE_MAX * others and others > 20 and folder_of(name):
            yield '%s: %d of %d files outside of its folder include it' % (name, len(paths), others)


def libraries():
    for path in sources():
        for number, name in includes(path):
            for library, places in LIBRARIES.items():
                if name.startswith(library) and not any(path.startswith(place) for place in places):
                    yield '%s:%d: only %s may include %s' % (path, number, ', '.join(places), name)


def segment_store():
    """What the log needs of the disk goes through queue/segment_store.h, so that something else can stand behind it."""
    for path in sources():
        if not path.startswith('queue/') or path == 'queue/segment_files.c':
            continue
        for number, name in includes(path):
            if name == 'core/base/disk.h':
                yield '%s:%d: only queue/segment_files.c includes it' % (path, number)
        for number, line in lines_of(path):
            if re.search(r'\b(disk|ring)_(open|read|write|fsync|sync)\(', line):
                yield '%s:%d: goes through queue/segment_store.h' % (path, number)


def forbidden_calls():
    for path in sources():
        for number, line in lines_of(path):
            for pattern, why in FORBIDDEN_CALLS:
                found = re.search(r'\b(%s)\s*\(' % pattern, line) or re.search(r'\b(WOLFSSL_LEFT_MOST\w*)', line)
                if found:
                    yield '%s:%d: not %s: %s' % (path, number, found.group(1), why)


def trust_peers_unloaded():
    """This library takes an anchor for a peer to trust without its chain (CVE-2026-93302): behind each load, unload."""
    for path in sources():
        text = read(path)
        for load in re.finditer(r'wolfSSL_CTX_load_(verify_|system_CA)\w*\(', text):
            rest = text[load.end():load.end() + 800]
            if path.startswith('tls/') and 'wolfSSL_CTX_Unload_trust_peers(' not in rest.split('\n}\n')[0]:
                yield '%s:%d: wolfSSL_CTX_Unload_trust_peers() has to follow in the same function' % (
                    path, text[:load.start()].count('\n') + 1)


def file_headers():
    for path in sources():
        start = read(path)[:400]
        name = re.escape(os.path.basename(path))
        if not re.match(r'/\*\s+(\* )?(\S*/)?%s - \S' % name, start):
            yield '%s:1: open with a comment "%s - what it is"' % (path, path)


def file_length():
    for path in sources() + files('.py'):
        length = read(path).count('\n')
        limit = 1000 if path == 'tests/e2e/harness.py' else FILE_LINES_MAX
        if length > limit:
            yield '%s: %d lines, at most %d' % (path, length, limit)


def function_length():
    """A function's body stands between a brace in the first column and the next one."""
    for path in sources():
        started, name, before = None, '', ''
        for number, line in lines_of(path):
            if line == '{':
                started = number
                found = re.search(r'([A-Za-z_]\w*)\(', before)
                name = found.group(1) if found else before
                before = ''
            elif line.startswith('}') and started:
                if number - started > FUNCTION_LINES_MAX and name not in LONG_FUNCTIONS:
                    yield '%s:%d: %s() has %d lines, at most %d' % (path, started, name, number - started,
                                                                    FUNCTION_LINES_MAX)
                started = None
            elif started is None:
                before = line if re.match(r'[A-Za-z_]', line) else before


def unfinished():
    words = re.compile(r'\b(%s)\b' % '|'.join(('TO' 'DO', 'FIX' 'ME', 'XX' 'X', 'HA' 'CK')))
    for path in sources() + scripts() + files('.md', 'meson.build', '.yaml', '.8', '.5'):
        for number, line in lines_of(path):
            if words.search(line):
                yield '%s:%d: %s' % (path, number, words.search(line).group(1))


def blanks_and_line_ends():
    for path in sources() + scripts() + files('.md', 'meson.build', '.yaml', '.service', '.8', '.5'):
        text = read(path)
        if '\r\n' in text or (text and not text.endswith('\n')):
            yield '%s: lines end with LF, the last one too' % path
        for number, line in lines_of(path):
            if line != line.rstrip():
                yield '%s:%d: blanks at the end of the line' % (path, number)
            elif re.match(r'\t* +\t', line) and path.endswith(('.c', '.h')):
                yield '%s:%d: blank before tab' % (path, number)


def columns():
    for path in sources() + scripts() + files('meson.build', 'meson_options.txt'):
        # Shell and build files are narrower on most screens than C with its deep tabs.
        tab = TAB if path.endswith(('.c', '.h')) else 4
        for number, line in lines_of(path):
            if len(line.expandtabs(tab)) > COLUMNS_MAX:
                yield '%s:%d: %d columns, at most %d' % (path, number, len(line.expandtabs(tab)), COLUMNS_MAX)


def clang_format():
    program = shutil.which('clang-format-14') or shutil.which('clang-format')
    if not program:
        yield 'clang-format is not installed'
        return
    version = subprocess.run([program, '--version'], capture_output=True, text=True).stdout
    if ' 14.' not in version:
        yield 'clang-format 14 decides, this is: ' + version.strip()
        return
    made = subprocess.run([program, '--dry-run', '-Werror'] + list(sources()), cwd=SOURCES, capture_output=True,
                          text=True)
    places = {}
    for path, line in re.findall(r'^([^:\n]+):(\d+):\d+: ', made.stderr, re.M):
        places.setdefault(path, []).append(line)
    for path, lines in places.items():
        yield '%s:%s: %d places are not as clang-format would have them' % (path, lines[0], len(lines))
    if made.returncode != 0 and not places:
        yield 'clang-format: ' + made.stderr.strip()[:200]


def compiles_in_python():
    for path in files('.py'):
        try:
            compile(read(path), path, 'exec')
        except SyntaxError as error:
            yield '%s:%s: %s' % (path, error.lineno, error.msg)


def executable_scripts():
    for path in scripts():
        mode = os.stat(os.path.join(SOURCES, path)).st_mode & 0o111
        if read(path).startswith('#!') and not mode and not path.endswith(('.py', '.sh')):
            yield '%s: it starts with #! but cannot be executed' % path


FIELD_CALLS = r'log_(?:string|text|number|signed|bool|json|time|list_begin)'


def c_functions(text):
    """(name, parameters, body, where the body begins) of the functions of a file: a body stands between braces in
    the first column."""
    for found in re.finditer(r'^[A-Za-z_][^\n;{}=]*?\b([a-z_]\w*)\(([^;{}]*)\)\n\{\n(.*?)^\}', text, re.M | re.S):
        yield found.group(1), found.group(2), found.group(3), found.start(3)


def arguments_of(text, at):
    """The arguments of the call whose opening parenthesis stands before text[at]."""
    found, depth, start, quoted = [], 0, at, False
    while depth >= 0:
        c = text[at]
        if c == '\\' and quoted:
            at += 1
        elif c == '"':
            quoted = not quoted
        elif not quoted:
            depth += (c == '(') - (c == ')')
            if depth < 0 or (c == ',' and depth == 0):
                found.append(text[start:at].strip())
                start = at + 1
        at += 1
    return found


def emitted_events(complaints):
    """{event: (levels, fields, place)} of all that core/ logs: from the literals in the calls between log_begin() and
    log_end(), also in functions that are handed the event to add fields, or the name of the event to begin."""
    functions, events, attributed = {}, {}, set()
    for path in sources():
        if path.startswith('core/') and path.endswith('.c'):
            text = read(path)
            for name, parameters, body, start in c_functions(text):
                functions[path, name] = (parameters, body, text.count('\n', 0, start) + 1)

    def place(key, at):
        return '%s:%d' % (key[0], functions[key][2] + functions[key][1].count('\n', 0, at))

    def literals(key, at, argument, what):
        found = re.findall(r'"([^"]*)"', argument)
        if not found:
            complaints.append('%s: %s must be a literal: %s' % (place(key, at), what, argument))
        return found

    def helper_of(key, name):
        """The function of this name that takes an event; one of the same file first."""
        return next((other for other in ((key[0], name), *functions) if other in functions and other[1] == name and
                     'struct log_event *' in functions[other][0]), None)

    def fields(key, begin, end, seen):
        """What a part of a function adds to the event, by itself and by those it hands the event to."""
        found, body = set(), functions[key][1]
        for call in re.finditer(r'\b(\w+)\(', body[begin:end]):
            at = begin + call.end()
            if re.fullmatch(FIELD_CALLS, call.group(1)):
                attributed.add((key, at))
                found.update(literals(key, at, arguments_of(body, at)[1], 'a field'))
            elif arguments_of(body, at)[0] in ('e', '&e') and not call.group(1).startswith('log_'):
                helper = helper_of(key, call.group(1))
                if helper and helper not in seen:
                    found |= fields(helper, 0, len(functions[helper][1]), seen | {helper})
        return found

    def bindings(key, argument):
        """What callers give for each parameter, if the argument is a parameter; else nothing is bound."""
        parameters = [re.split(r'[\s*]+', word.strip())[-1] for word in functions[key][0].split(',')]
        if argument not in parameters:
            return [{}]
        return [dict(zip(parameters, arguments_of(body, user.end()))) for _, body, _ in functions.values()
                for user in re.finditer(r'\b%s\(' % key[1], body)]

    def levels_of(key, at, argument):
        """LOG_LEVEL_* in the argument, or in the function of the same file that it calls."""
        called = re.match(r'(\w+)\(', argument)
        text = functions[key[0], called.group(1)][1] if called and (key[0], called.group(1)) in functions else argument
        levels = [word.lower() for word in re.findall(r'LOG_LEVEL_([A-Z]+)', text)]
        if not levels:
            complaints.append('%s: no level can be read from %s' % (place(key, at), argument))
        return levels

    for key, (_, body, _) in functions.items():
        for call in re.finditer(r'\b(log_begin|log_begin_at|log_open)\(', body):
            given = arguments_of(body, call.end())
            if key[0] == 'core/base/log.c' and '"log_lost"' not in given:
                continue  # the log itself, passing names on
            at, end = call.end(), body.find('log_end(', call.end())
            level, name = ('LOG_LEVEL_INFO', given[2]) if call.group(1) == 'log_begin' else given[2:4]
            for bound in bindings(key, name):
                for event in literals(key, at, bound.get(name, name), 'the name of an event'):
                    known = events.setdefault(event, (set(), set(), place(key, at)))
                    known[0].update(levels_of(key, at, bound.get(level, level)))
                    known[1].update(fields(key, at, end if end > 0 else len(body), {key}))
    for key, (_, body, _) in functions.items():
        for call in re.finditer(r'\b%s\(' % FIELD_CALLS, body):
            if key[0] != 'core/base/log.c' and (key, call.end()) not in attributed:
                complaints.append('%s: between which log_begin() and log_end() is this?' % place(key, call.end()))
    return events


def documented_events():
    """{event: (levels, fields, line)} of docs/events.md."""
    events, current = {}, None
    for number, line in lines_of('docs/events.md'):
        heading = re.match(r'#+ (?:`(\w+)`)?', line)
        field = re.match(r'\| `(\w+)` \|', line)
        if heading:
            current = events.setdefault(heading.group(1), (set(), set(), number)) if heading.group(1) else None
        elif current and line.startswith('Level: '):
            current[0].update(re.findall(r'info|notice|warning|error', line.split('.')[0]))
        elif current and field:
            current[1].add(field.group(1))
    return events


def events_page():
    """docs/events.md and the calls in core/ name the same events, levels and fields."""
    complaints = []
    code, page = emitted_events(complaints), documented_events()
    yield from dict.fromkeys(complaints)
    if len(code) < 10:
        yield 'core/: only %d events were found' % len(code)
    for event in sorted(set(code) | set(page)):
        if event not in page:
            yield '%s: event %s is not in docs/events.md' % (code[event][2], event)
        elif event not in code:
            yield 'docs/events.md:%d: nothing in core/ logs event %s' % (page[event][2], event)
        else:
            for what, index in (('level', 0), ('field', 1)):
                for name in sorted(code[event][index] - page[event][index]):
                    yield '%s: %s %s of event %s is not in docs/events.md' % (code[event][2], what, name, event)
                for name in sorted(page[event][index] - code[event][index]):
                    yield 'docs/events.md:%d: event %s has no %s %s in core/' % (page[event][2], event, what, name)


def arrows_drawn():
    """The table of docs/architecture.md says which room includes which, and the drawing above it goes downwards."""
    page = read('docs/architecture.md').split('\n')
    title = next(n for n, line in enumerate(page) if line.startswith('| room |'))
    rooms = set(LAYERS) - {'bench', 'core/control'} | {'core/main.c'}
    floors, drawn, found = {}, {}, {room: set() for room in rooms}
    for number, line in enumerate(page[:title]):
        if line.startswith('    '):
            floors.update({name: number for name in re.findall(r'core/[a-z.]+|tls|queue', line[:64])})
    for number, line in enumerate(page[title + 2:], title + 3):
        if not line.startswith('|'):
            break
        names, _, targets = [cell.strip() for cell in line.strip('|').split('|')]
        targets = {name.strip() for name in re.sub(r'\([^)]*\)', '', targets).split(',')} - {'nothing'}
        for name in re.findall(r'`([^`]+)`', names):
            drawn[name] = (number, {name if name in ('tls', 'queue') else 'core/' + name for name in targets})
    for path in sources():
        room = path if path in rooms else folder_of(path)
        if room in rooms:
            found[room] |= {folder_of(name) for _, name in includes(path) if '/' in name} - {None, room, 'core/base'}
    for room in sorted(rooms - {'core/base'}):
        number, targets = drawn.get(room, (title + 1, set()))
        for other in sorted(found[room] ^ targets):
            yield 'docs/architecture.md:%d: %s %s %s' % (
                number, room, 'includes' if other in found[room] else 'does not include', other)
        for other in sorted(found[room]):
            if floors.get(room, 0) >= floors.get(other, 0):
                yield 'docs/architecture.md: the drawing has %s not above %s' % (room, other)


def pages_name_files():
    """What pages about the tests and the code name is there: tests by their path below tests/, scenarios by name."""
    scenarios = {name for path in files('.c') if path.startswith('tests/sim/test_relay')
                 for name in re.findall(r'^\t\{"(\w+)", scenario_', read(path), re.M)}
    named = 0
    for page in ('docs/reliability.md', 'docs/architecture.md', 'CONTRIBUTING.md', 'README.md', 'tests/sim/README.md',
                 'docs/threat-model.md', 'docs/two-machines.md', 'docs/moving-postfix.md', 'docs/moving-iis.md'):
        for number, line in lines_of(page):
            for name in re.findall(r'(?<![\w/.<-])(?:[a-z_]+/)+[\w*-]+\.(?:py|[chd]|md|yaml|[58])(?![\w*])', line):
                if name.startswith(('build/', 'etc/')):
                    continue
                named += 1
                places = [os.path.join(SOURCES, folder, name) for folder in ('', 'tests', os.path.dirname(page))]
                if not any(glob.glob(place) for place in places):
                    yield '%s:%d: there is no %s' % (page, number, name)
            for group in re.findall(r'tests/sim \(([a-z_, ]+)\)', line):
                for name in group.split(', '):
                    if name not in scenarios:
                        yield '%s:%d: test_relay.c has no scenario %s' % (page, number, name)
    if named < 50 or len(scenarios) < 10:
        yield 'only %d names and %d scenarios were found' % (named, len(scenarios))


def links_lead_somewhere():
    """A link of a page to another file of the project has a file at its other end."""
    seen = 0
    for page in files('.md'):
        for number, line in lines_of(page):
            for target in re.findall(r'\]\(([^)\s]+)\)', line):
                target = target.split('#')[0]
                if not target or re.match(r'[a-z]+:', target):
                    continue
                seen += 1
                if not os.path.exists(os.path.join(SOURCES, os.path.dirname(page), target)):
                    yield '%s:%d: there is no %s' % (page, number, target)
    if seen < 30:
        yield 'only %d links were found' % seen


def index_has_all_pages():
    """docs/README.md leads to every page beside it."""
    linked = set(re.findall(r'\]\(([\w-]+\.md)\)', read('docs/README.md')))
    pages = {os.path.basename(path) for path in files('.md') if os.path.dirname(path) == 'docs'} - {'README.md'}
    for page in sorted(pages - linked):
        yield 'docs/README.md: there is no link to %s' % page
    if len(pages) < 10:
        yield 'docs: only %d pages were found' % len(pages)


def commands_are_there():
    """What pages tell to type is a command of the program, or another program's."""
    commands = set(re.findall(r'\{"([a-z]+)", \w+\}', read('core/tools/commands.c')))
    commands |= {'run', 'check', 'reload', 'version', 'spool'}
    if len(commands) < 15:
        yield 'only %d commands were found in core/tools/commands.c' % len(commands)
    for page in files('.md'):
        for number, line in lines_of(page):
            for command in re.findall(r'(?:^ {4}(?:sudo (?:-u postrider )?)?|`)postrider ([a-z]+)\b(?!\.)', line):
                if command not in commands:
                    yield '%s:%d: postrider %s is no command' % (page, number, command)


def every_key_described():
    """dist/postrider.yaml has every key that can be given, but for those with one value only; postrider.yaml(5) all."""
    sample, page = read('dist/postrider.yaml'), read('dist/postrider.yaml.5')
    described = set(re.findall(r'[\w.]+', ' '.join(re.findall(r'^\.(?:It Cm|Ss) (.*)$', page, re.M))))
    described |= {name.split('.')[-1] for name in described} | {name.split('.')[0] for name in described}
    keys = [key for path in files('.c') if path.startswith('core/config/schema')
            for kind, key in re.findall(r'\bFIELD(_[A-Z_]+)?\("(\w+)"', read(path)) if kind != '_MISSING']
    if len(keys) < 40:
        yield 'core/config/schema.c: only %d keys were found' % len(keys)
    for key in sorted(set(keys)):
        if key not in described:
            yield 'dist/postrider.yaml.5: key %s is not described' % key
        if key != 'auth' and not re.search(r'\b%s:' % key, sample):
            yield 'dist/postrider.yaml: key %s is not there' % key


def commands_have_examples():
    """postrider(8) has an example of every command; tests/e2e/test_examples.py runs them."""
    shown = re.findall(r'^\.Ss (\w+)$', read('dist/postrider.8').partition('.Sh EXAMPLES\n')[2], re.M)
    table = read('core/tools/commands.c').partition('} commands[] = {')[2].partition('\n};')[0]
    commands = ['run', 'check', 'reload', 'spool', 'version'] + re.findall(r'\{"(\w+)", \w+\}', table)
    if len(commands) < 20:
        yield 'core/tools/commands.c: only %d commands were found' % len(commands)
    for command in commands:
        if command not in shown:
            yield 'dist/postrider.8: EXAMPLES has none of %s: write .Ss %s and some' % (command, command)


RULES = [include_direction, call_direction, circles, header_share, libraries, segment_store, forbidden_calls,
         trust_peers_unloaded, file_headers, file_length, function_length, unfinished, blanks_and_line_ends, columns,
         clang_format, compiles_in_python, executable_scripts, events_page, arrows_drawn, pages_name_files,
         links_lead_somewhere, index_has_all_pages, commands_are_there, commands_have_examples,
         every_key_described]


def main():
    wanted = sys.argv[1:]
    if wanted in (['--help'], ['-h']):
        print(__doc__ + '\nrules: ' + ' '.join(rule.__name__ for rule in RULES))
        return
    for name in wanted:
        if name not in [rule.__name__ for rule in RULES]:
            sys.exit('no such rule: %s; there are: %s' % (name, ' '.join(rule.__name__ for rule in RULES)))
    failed = False
    for rule in RULES:
        if wanted and rule.__name__ not in wanted:
            continue
        places = list(rule())
        failed = failed or bool(places)
        if not places:
            print('ok %s' % rule.__name__)
        for place in places:
            print('FAILED %s: %s' % (rule.__name__, place))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
