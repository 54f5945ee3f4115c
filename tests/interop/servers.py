"""tests/interop/servers.py - real mail servers as next hops, each with all its state below a temporary directory.

Each class starts its server on a free port of 127.0.0.1 from the files that tests/install-peers unpacked. STARTTLS is
required, mail for example.com goes into a maildir, and arrivals() gives the messages in it. The servers need root,
because they change to users of their own; available() says why one cannot run.
"""

import glob
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'e2e'))
import harness  # noqa: E402

NOBODY = 65534


class Server:
    """Common to all: the port, the certificates and the maildir."""

    name = None
    in_clear = False  # whether it takes mail without TLS

    def __init__(self, work, certificates, client_certificate=None):
        """client_certificate: None, 'required' (no session without) or 'asked' (no relaying without)."""
        self.work, self.certificates, self.client_certificate = work, certificates, client_certificate
        self.peer = os.path.join(harness.peers_directory(), self.name)
        self.root = work.path(self.name)
        os.makedirs(self.root)
        os.chmod(self.root, 0o755)
        self.port = harness.free_port()
        self.process = None
        self.prepare()
        self.start()

    @property
    def host(self):
        return '127.0.0.1:%d' % self.port

    @classmethod
    def unavailable(cls):
        if os.getuid() != 0:
            return '%s needs root' % cls.name
        if not os.path.exists(os.path.join(harness.peers_directory(), cls.name, 'version')):
            return 'run tests/install-peers %s first' % cls.name
        return None

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def directory(self, name, user='root', mode=0o755):
        path = os.path.join(self.root, name)
        os.makedirs(path, exist_ok=True)
        shutil.chown(path, user)
        os.chmod(path, mode)
        return path

    def start(self):
        self.process = self.work.own(self.launch())
        harness.eventually(lambda: harness.listening(self.port) or not self.process.running(),
                           lambda: '%s listens: %s' % (self.name, self.log()), 30)
        if not self.process.running():
            raise harness.Failure('%s did not start: %s' % (self.name, self.log()))

    def stop(self):
        self.process.stop()

    def maildir(self):
        return os.path.join(self.root, 'mail')

    def arrivals(self):
        """The messages that have arrived, with LF line ends as these servers store them."""
        found = []
        for path in glob.glob(os.path.join(self.maildir(), '**', 'new', '*'), recursive=True):
            with open(path, 'rb') as f:
                found.append(f.read())
        return found

    def wait_arrivals(self, count, timeout=60):
        harness.eventually(lambda: len(self.arrivals()) >= count,
                           lambda: '%d messages in the maildir of %s; there are %d; its log: %s' % (
                               count, self.name, len(self.arrivals()), self.log()), timeout, 0.2)
        return self.arrivals()

    def log(self):
        return self.process.tail(10) if self.process else ''


class Postfix(Server):
    name = 'postfix'

    MASTER = '''
127.0.0.1:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
'''

    MAIN = '''
compatibility_level = 3.6
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH=%(peer)s/usr/lib/postfix
queue_directory = %(root)s/queue
data_directory = %(root)s/data
command_directory = %(peer)s/usr/sbin
daemon_directory = %(peer)s/usr/lib/postfix/sbin
shlib_directory = %(peer)s/usr/lib/postfix
meta_directory = %(root)s/config
maillog_file = %(root)s/log
maillog_file_prefixes = %(root)s
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.example.org
mydestination =
alias_maps =
local_recipient_maps =
mynetworks = 127.0.0.0/8
local_header_rewrite_clients =
in_flow_delay = 0
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
default_process_limit = 50
message_size_limit = 52428800
virtual_mailbox_limit = 0
virtual_mailbox_domains = example.com
virtual_mailbox_base = %(root)s/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = %(server)s
smtpd_tls_key_file = %(server_key)s
smtpd_tls_CAfile = %(ca)s
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
%(more)s
'''

    REQUIRED = 'smtpd_tls_ask_ccert = yes\nsmtpd_tls_req_ccert = yes\n'
    ASKED = 'smtpd_tls_ask_ccert = yes\nsmtpd_client_restrictions = permit_tls_all_clientcerts, reject\n'

    def prepare(self):
        more = {None: '', 'required': self.REQUIRED, 'asked': self.ASKED}[self.client_certificate]
        values = dict(vars(self.certificates), root=self.root, peer=self.peer, port=self.port, more=more)
        self.write('config/main.cf', self.MAIN % values)
        self.write('config/master.cf', self.MASTER % values)
        self.directory('queue')
        for name in ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private',
                     'saved', 'trace'):
            self.directory('queue/' + name, 'postfix', 0o700)
        self.directory('queue/pid')
        self.directory('queue/maildrop', 'postfix', 0o730)
        self.directory('queue/public', 'postfix', 0o710)
        self.directory('data', 'postfix', 0o700)
        os.chown(self.directory('mail/box'), NOBODY, NOBODY)

    def environment(self):
        return dict(os.environ, LD_LIBRARY_PATH=self.peer + '/usr/lib/postfix')

    def launch(self):
        # -d keeps the master process attached, so that its pid is ours. It ends its children when it is ended.
        return harness.Process([self.peer + '/usr/lib/postfix/sbin/master', '-c', self.root + '/config', '-d'],
                               env=self.environment(), start_new_session=True)

    def log(self):
        try:
            with open(self.root + '/log') as f:
                return ' | '.join(f.read().splitlines()[-8:]) + super().log()
        except OSError:
            return super().log()

    @classmethod
    def smtp_source(cls, target, *options):
        """Postfix's load generator, as a client of the relay."""
        peer = os.path.join(harness.peers_directory(), cls.name)
        return harness.Process([peer + '/usr/sbin/smtp-source', *options, target],
                               env=dict(os.environ, LD_LIBRARY_PATH=peer + '/usr/lib/postfix'))


class Exim(Server):
    name = 'exim'

    CONFIGURATION = '''
exim_path = %(peer)s/usr/sbin/exim4
spool_directory = %(root)s/spool
log_file_path = %(root)s/log/%%slog
pid_file_path = %(root)s/spool/exim.pid
primary_hostname = exim.example.org
daemon_smtp_ports = %(port)d
local_interfaces = 127.0.0.1
keep_environment =
never_users =
deliver_drop_privilege = true
host_lookup =
message_size_limit = 50M
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
tls_advertise_hosts = *
tls_certificate = %(server)s
tls_privatekey = %(server_key)s
%(more)s
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
acl_smtp_predata = accept
begin acl
acl_mail:
  deny !encrypted = *
       message = Must issue a STARTTLS command first
  %(certificate)s
  accept
acl_rcpt:
  accept domains = example.com
  deny message = relay not permitted
begin routers
box:
  driver = accept
  domains = example.com
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = %(root)s/mail/box
  maildir_format
  create_directory
  user = Debian-exim
  group = Debian-exim
'''

    def prepare(self):
        more, certificate = '', ''
        if self.client_certificate == 'required':
            more = 'tls_verify_hosts = *\ntls_verify_certificates = %s\n' % self.certificates.ca
        elif self.client_certificate == 'asked':
            more = 'tls_try_verify_hosts = *\ntls_verify_certificates = %s\n' % self.certificates.ca
            certificate = 'deny !verify = certificate\n       message = a client certificate is needed'
        values = dict(vars(self.certificates), root=self.root, peer=self.peer, port=self.port, more=more,
                      certificate=certificate)
        self.configuration = self.write('exim.conf', self.CONFIGURATION % values)
        for name in ('spool', 'log', 'mail'):
            self.directory(name, 'Debian-exim', 0o755)

    def launch(self):
        return harness.Process([self.peer + '/usr/sbin/exim4', '-C', self.configuration, '-bdf', '-q30s'],
                               start_new_session=True)

    def log(self):
        text = ''
        for path in sorted(glob.glob(self.root + '/log/*')):
            with open(path, errors='replace') as f:
                text += os.path.basename(path) + ': ' + ' | '.join(f.read().splitlines()[-6:]) + ' '
        return text + super().log()


    CLIENT = '''
exim_path = %(peer)s/usr/sbin/exim4
spool_directory = %(root)s/client-spool
log_file_path = %(root)s/client-log/%%slog
primary_hostname = exim.example.net
keep_environment =
never_users =
deliver_drop_privilege = true
host_lookup =
log_selector = +smtp_confirmation
begin routers
relay:
  driver = manualroute
  route_data = %(host)s::%(target)d
  self = send
  transport = smtp
begin transports
smtp:
  driver = smtp
  hosts_try_chunking = *
  allow_localhost
'''

    @classmethod
    def send(cls, work, port, contents):
        """As a client: hands each content, with LF line ends, to 127.0.0.1:port; by BDAT where that is offered. Returns
        what it logged."""
        peer, root = os.path.join(harness.peers_directory(), cls.name), work.path('exim-client')
        for name in ('client-spool', 'client-log'):
            os.makedirs(os.path.join(root, name))
            shutil.chown(os.path.join(root, name), 'Debian-exim')
        path = work.write('exim-client/client.conf', cls.CLIENT % dict(peer=peer, root=root, host='127.0.0.1',
                                                                       target=port))
        os.chmod(root, 0o755)
        for content in contents:
            done = subprocess.run([peer + '/usr/sbin/exim4', '-C', path, '-odf', '-oi', '-f', 'sender@example.net',
                                   'recipient@example.com'], input=content, capture_output=True, timeout=60)
            harness.check(done.returncode == 0, 'exim: %s', done.stderr.decode()[-300:])
        with open(os.path.join(root, 'client-log', 'mainlog'), errors='replace') as f:
            return f.read()


class OpenSMTPD(Server):
    """Its paths are compiled in, so it runs in a mount namespace of its own where they are directories of ours.

    Debian 12's OpenSMTPD 6.8 cannot finish a TLS handshake as a server: it was written for OpenSSL 1.1 and loses its
    key with OpenSSL 3 (OpenSMTPD issue 1171). So it serves in two ways: in clear, and as a next hop that offers
    STARTTLS and then always fails, which real hosts do too.
    """

    name = 'opensmtpd'

    CONFIGURATION = '''
pki mail cert "%(root)s/server.crt"
pki mail key "%(root)s/server.key"
smtp max-message-size 50M
listen on 127.0.0.1 port %(port)d %(tls)s hostname opensmtpd.example.org
action "box" maildir "%(root)s/mail/box" user nobody virtual { "@" = nobody }
match from any for domain "example.com" action "box"
'''

    def __init__(self, work, certificates, tls=False):
        self.tls = tls
        super().__init__(work, certificates)

    # The namespace ends with the program, and the mounts and what is in the tmpfs with it.
    NAMESPACE = '''
set -e
mount -t overlay overlay -o lowerdir=%(peer)s/usr/libexec:/usr/libexec /usr/libexec
mount -t tmpfs -o mode=755 tmpfs /var/spool
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /var/lib/opensmtpd/empty
mkdir -m 711 /var/spool/smtpd
exec %(peer)s/usr/sbin/smtpd -d -v -f %(root)s/smtpd.conf
'''

    def prepare(self):
        for end in ('crt', 'key'):
            shutil.copy(self.certificates.path('server.' + end), self.root)
            # It refuses a key that others can read.
            os.chmod(os.path.join(self.root, 'server.' + end), 0o600)
        values = dict(root=self.root, peer=self.peer, port=self.port, tls='tls pki mail' if self.tls else '')
        self.write('smtpd.conf', self.CONFIGURATION % values)
        self.namespace = self.NAMESPACE % values
        os.chown(self.directory('mail'), NOBODY, NOBODY)

    def launch(self):
        return harness.Process(['unshare', '--mount', 'sh', '-c', self.namespace], start_new_session=True)


def check_stored(file, original):
    """The file ends with the message as it was sent, but for its line ends; before it are only trace headers.

    Returns those headers, newest first, as these servers and the relay have put them there.
    """
    expected = original.replace(b'\r\n', b'\n')
    harness.check(file.endswith(expected), 'what arrived does not end with what was sent: expected %s, found %s',
                  harness.shorten(expected), harness.shorten(file[-len(expected) - 200:]))
    head = file[:len(file) - len(expected)]
    for line in head.splitlines():
        harness.check(re.match(rb'[ \t]|(Received|Return-Path|Delivered-To|X-Original-To|Envelope-to|Delivery-date): ',
                               line), 'an unexpected line before the message: %s', harness.shorten(line))
    return head


def check_arrivals(server, originals, through_relay=True, timeout=60):
    """Each of the messages, {sequence: content}, has arrived exactly once and unaltered."""
    files = server.wait_arrivals(len(originals), timeout)
    sequences = [harness.sequence_of(file) for file in files]
    harness.equal(sorted(sequences), sorted(originals), 'the messages that arrived at ' + server.name)
    for file, sequence in zip(files, sequences):
        head = check_stored(file, originals[sequence])
        harness.equal(b'by relay.example.org' in head, through_relay, 'went through the relay')


def smtplib_send(address, content, context=None, sender='sender@example.net', recipient='recipient@example.com'):
    """Python's own client. With a context it insists on STARTTLS."""
    with smtplib.SMTP(*address, local_hostname='client.example.net', timeout=30) as client:
        if context:
            client.starttls(context=context)
        client.sendmail(sender, [recipient], content)


def swaks_send(address, content, *options):
    """swaks, given the content on its standard input. Returns (exit code, transcript)."""
    with tempfile.NamedTemporaryFile() as file:
        # Without its fix-ups swaks sends what it is given and one CRLF; so this must end with the dot.
        file.write(harness.stuff(content) + b'.')
        file.flush()
        done = subprocess.run(
            ['swaks', '--server', address[0], '--port', str(address[1]), '--helo', 'client.example.net',
             '--from', 'sender@example.net', '--to', 'recipient@example.com', '--data', '@' + file.name,
             '--no-data-fixup', '--suppress-data', '--timeout', '30', *options],
            capture_output=True, text=True, errors='replace', timeout=90)
    return done.returncode, done.stdout + done.stderr


def require(server_class):
    """Ends the test file as skipped, with the exit code Meson understands, where the server cannot run."""
    why = server_class.unavailable()
    if why:
        print('skipped: ' + why)
        sys.exit(77)
