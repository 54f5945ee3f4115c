"""tests/e2e/browser.py - Debian's chromium, driven over a pipe by its DevTools protocol. Nothing but Python's own
library and the program.

    with Browser(work) as browser:
        browser.open('http://127.0.0.1:6525/page')
        browser.run('document.title')

What goes wrong in a page is collected: `complaints` has what its console says (a policy that was violated too),
exceptions, and dialogs, as an alert() would open.
"""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from harness import Failure

TIMEOUT = 180  # of one order: a machine that has much to do takes its time to start the program


class Browser:
    def __init__(self, work, width=1440, height=900):
        path = shutil.which('chromium')
        if not path:
            raise Failure('chromium is not installed: run tests/install-dependencies')
        self.complaints, self.requests, self.waiting, self.number, self.session = [], [], [], 0, None
        to_read, self.to = os.pipe()
        self.of, from_write = os.pipe()

        def descriptors():
            # As the program wants them: 3 to read, 4 to write.
            one, other = os.dup(to_read), os.dup(from_write)
            os.dup2(one, 3)
            os.dup2(other, 4)

        arguments = [path, '--headless=new', '--remote-debugging-pipe', '--no-sandbox', '--disable-gpu', '--mute-audio',
                     '--disable-dev-shm-usage', '--no-first-run', '--disable-extensions',
                     '--disable-background-networking', '--disable-component-update',
                     '--disable-sync', '--no-default-browser-check',
                     '--user-data-dir=' + work.path('browser'), '--window-size=%d,%d' % (width, height), 'about:blank']
        self.buffer, self.said = b'', tempfile.TemporaryFile()
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.said, close_fds=False, preexec_fn=descriptors,
                                        env={**os.environ, 'HOME': work.directory})
        os.close(to_read)
        os.close(from_write)
        try:
            self.begin(width, height)
        except BaseException:
            self.end()
            raise

    def begin(self, width, height):
        target = self.ask('Target.createTarget', url='about:blank')['targetId']
        self.session = self.ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.ask(domain + '.enable')
        self.size(width, height)

    def end(self):
        try:
            self.session = None
            self.ask('Browser.close')
            self.process.wait(10)
        except (Failure, OSError, subprocess.TimeoutExpired):
            self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.of)
        self.said.close()

    def failure(self, what):
        """With what the program said itself, where it did not even start."""
        self.said.seek(max(0, os.fstat(self.said.fileno()).st_size - 2000))
        return Failure('chromium %s; it said: %s' % (what, self.said.read().decode(errors='replace').strip() or '-'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    # ---- the protocol ----

    def message(self, until):
        """The next one."""
        while b'\0' not in self.buffer:
            if not select.select([self.of], [], [], max(0, until - time.monotonic()))[0]:
                raise self.failure('does not answer in %d s' % TIMEOUT)
            more = os.read(self.of, 1 << 16)
            if not more:
                raise self.failure('has ended')
            self.buffer += more
        text, _, self.buffer = self.buffer.partition(b'\0')
        found = json.loads(text)
        if 'method' in found:
            self.note(found['method'], found.get('params', {}))
        return found

    def note(self, method, what):
        if method == 'Page.javascriptDialogOpening':
            self.complaints.append('a dialog: %s' % what['message'])
        elif method == 'Runtime.exceptionThrown':
            self.complaints.append('an exception: %s' % json.dumps(what['exceptionDetails'])[:1000])
        elif method == 'Log.entryAdded' and what['entry']['level'] in ('error', 'warning'):
            self.complaints.append('%s: %s' % (what['entry']['source'], what['entry']['text']))
        elif method == 'Network.requestWillBeSent':
            self.requests.append(what['request']['url'])

    def ask(self, method, **parameters):
        self.number += 1
        order = {'id': self.number, 'method': method, 'params': parameters}
        if self.session:
            order['sessionId'] = self.session
        try:
            os.write(self.to, json.dumps(order).encode() + b'\0')
        except BrokenPipeError:
            raise self.failure('has ended') from None
        until = time.monotonic() + TIMEOUT
        while True:
            found = self.message(until)
            if found.get('id') == self.number:
                if 'error' in found:
                    raise Failure('%s: %s' % (method, found['error']))
                return found['result']
            self.waiting.append(found.get('method'))

    # ---- what a test does ----

    def size(self, width, height=900):
        self.ask('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=False)

    def scripts(self, run):
        self.ask('Emulation.setScriptExecutionDisabled', value=not run)

    def media(self, media='', **features):
        self.ask('Emulation.setEmulatedMedia', media=media, features=[
            {'name': name.replace('_', '-'), 'value': value} for name, value in features.items()])

    def loaded(self):
        until = time.monotonic() + TIMEOUT
        while 'Page.loadEventFired' not in self.waiting:
            self.waiting.append(self.message(until).get('method'))

    def open(self, url):
        self.waiting.clear()
        answer = self.ask('Page.navigate', url=url)
        if answer.get('errorText'):
            raise Failure('%s: %s' % (url, answer['errorText']))
        self.loaded()

    def act(self, expression):
        """What leads to another page."""
        self.waiting.clear()
        self.run(expression)
        self.loaded()

    def run(self, expression):
        result = self.ask('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise Failure('%s: %s' % (expression, result['exceptionDetails']))
        return result['result'].get('value')

    def until(self, expression, what):
        until = time.monotonic() + TIMEOUT
        while not self.run(expression):
            if time.monotonic() > until:
                raise Failure('it does not come to: %s' % what)
            time.sleep(0.05)

    def key(self, name, code, text=None):
        for kind in ('keyDown', 'keyUp'):
            parameters = {'type': kind, 'key': name, 'windowsVirtualKeyCode': code}
            if text and kind == 'keyDown':
                parameters['text'] = text
            self.ask('Input.dispatchKeyEvent', **parameters)
