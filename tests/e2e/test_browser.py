#!/usr/bin/python3
"""tests/e2e/test_browser.py - the page in a real browser (Debian's chromium): each view with nothing, one and many
messages, on a phone and on a desk, dark, printed, by the keyboard, without JavaScript; and with hostile words in every
field, of which nothing may run.
"""

import base64
import html
import json
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from browser import Browser  # noqa: E402
from harness import NextHop, Workspace, case, check, equal, eventually  # noqa: E402
from page_lab import Lab, queue_one, token_of  # noqa: E402

VIEWS = ('/page', '/page/mail', '/page/mail?list=trace', '/page/devices', '/page/device?name=new&address=10.0.0.9',
         '/page/providers', '/page/destination/next-hop', '/page/health')

FIELDS = ('to', 'from', 'client', 'destination', 'error', 'state')

# In every field that somebody else writes.
HOSTILE = ('<script>alert(1)</script>', '"><img src=x onerror=alert(2)>', '\' autofocus onfocus=alert(3) x=\'',
           '</title></textarea></style><svg onload=alert(4)>', '\u202e\u2066moc.live\u2069', '<!--', '&#60;script&#62;',
           '\u0000\u001b]0;x\u0007')


def enter(browser, lab):
    """By the link, as a person does."""
    browser.open(lab.link())
    equal(browser.run('location.pathname'), '/page', 'where the link leads')


def at(lab, path):
    return 'http://127.0.0.1:%d%s' % (lab.port, path)


def quiet(browser, lab, where):
    """It complains of nothing, has asked nobody else, and what it shows fits."""
    equal(browser.complaints, [], where)
    equal([url for url in browser.requests if not url.startswith(at(lab, '/page'))], [], where)


def inventory(work):
    return work.write('devices.yaml', '- { name: "Copier <b>3rd</b>", address: 127.0.0.1, place: "%s" }\n'
                                      '- { name: "Scanner", address: 10.20.3.15 }\n' % '&lt;floor&gt; <i>3')


@case
def each_view():
    """With nothing, with one message and with many each view loads, on both widths, and nothing sticks out."""
    with Workspace() as work:
        inventory(work)
        lab = Lab(work, trace={'detail': 'all'}, devices='devices.yaml')
        with Browser(work) as browser:
            enter(browser, lab)
            for count in (0, 1, 120):
                while len(lab.ids) < count:
                    queue_one(lab)
                paths = VIEWS + (('/page/mail/' + lab.ids[0],) if lab.ids else ())
                for path in paths:
                    browser.size(1440)
                    browser.open(at(lab, path))
                    quiet(browser, lab, path)
                    equal(browser.run('document.querySelectorAll("h1").length'), 1, path)
                    check('postrider' in browser.run('document.title'), path)
                    for width in (1440, 390):
                        browser.size(width)
                        browser.until('document.documentElement.scrollWidth <= %d' % width,
                                      '%s fits in %d' % (path, width))
                    # On a telephone no table goes on to the side; without the script it does, and has a shadow there.
                    equal(browser.run('[...document.querySelectorAll(".wide")].filter(e => e.scrollWidth > '
                                      'e.clientWidth).length'), 0, '%s: tables' % path)
                    check(browser.run('[...document.querySelectorAll("a, button")].every(e => e.textContent.trim())'),
                          '%s: every link has words' % path)
                    check(browser.run('[...document.querySelectorAll("input:not([type=hidden]), select")].every(e => '
                                      'e.labels.length || e.ariaLabel)'), '%s: every field has a name' % path)
            browser.size(1440)
            browser.open(at(lab, '/page/mail'))
            equal(browser.run('document.querySelectorAll("tbody tr").length'), 50, 'rows')
            seen = set()
            for _ in range(3):
                seen |= set(browser.run('[...document.querySelectorAll("tbody .id")].map(a => a.textContent)'))
                if browser.run('!!document.querySelector("a[rel=next]")'):
                    browser.act('document.querySelector("a[rel=next]").click()')
            equal(seen, set(lab.ids), 'all of them, page by page')


@case
def an_open_incident():
    """Health has it, with what was seen and what to do."""
    with Workspace() as work:
        lab = Lab(work, incidents={'calm': '1s', 'destination_down': '1s'})
        with Browser(work) as browser:
            enter(browser, lab)
            browser.open(at(lab, '/page/health'))
            check('next-hop' not in browser.run('document.querySelector("main").innerText'), 'before')
            queue_one(lab)
            lab.relay.told('incident_opened')
            browser.open(at(lab, '/page/health'))
            text = browser.run('document.querySelector("main").innerText')
            for word in ('next-hop', 'no host of the destination can be used', 'cannot connect', 'the network'):
                check(word in text, '%s in %s', word, text)
            picture = browser.ask('Page.captureScreenshot', format='png')['data']
            check(len(picture) > 10000, 'a picture of %d octets', len(picture))
            if os.environ.get('PICTURES'):
                with open(os.path.join(os.environ['PICTURES'], 'incident.png'), 'wb') as file:
                    file.write(base64.b64decode(picture))
            quiet(browser, lab, 'Health')


@case
def live():
    """Numbers change while the view is open, and the curves are drawn; the stream comes back by itself."""
    with Workspace() as work:
        lab = Lab(work)
        lab.enter()
        lab.numbers()
        with Browser(work) as browser:
            enter(browser, lab)
            cell = 'document.querySelector("[data-live=queued]").textContent'
            equal(browser.run(cell), '0', 'before')
            browser.until('document.getElementById("live").textContent === "live"', 'it is live')
            queue_one(lab)
            browser.until(cell + ' === "1"', 'the number follows')
            browser.until('!!document.querySelector(".state.wrong")', 'the destination is wrong')
            browser.until('!!document.querySelector("main > .say.wrong")', 'and the sentence says so')
            browser.until('document.querySelectorAll("#hour canvas").length === 2', 'both curves')
            quiet(browser, lab, 'the first view')


@case
def one_point():
    """Of an hour of which one point is known so far the end is now, not when the library would have it."""
    hooks = '''
        window.plots = [];
        let real;
        Object.defineProperty(window, 'uPlot', { get: () => real, set: (made) => {
            real = Object.assign(function (...all) { const p = new made(...all); plots.push(p); return p; }, made);
        } });
        window.fetch = async () => ({ ok: true, json: async () => ({ t: [Math.floor(Date.now() / 1000)], in: [1],
            out: [1], queued: [1] }) });'''
    with Workspace() as work:
        lab = Lab(work)
        with Browser(work) as browser:
            browser.ask('Page.addScriptToEvaluateOnNewDocument', source=hooks)
            enter(browser, lab)
            browser.until('window.plots.length === 2 && window.plots[0].scales.x.max > 0', 'both curves')
            for end in browser.run('window.plots.map(p => p.scales.x.max - Date.now() / 1000)'):
                check(-3600 < end < 3600, 'the curve ends in %d s' % end)


@case
def health_and_sheets():
    """Without JavaScript and by the keyboard alone: the doctor looks, a machine's sheet is made, and is one sheet."""
    def reach(selector):
        """By Tab from the top."""
        for _ in range(60):
            browser.key('Tab', 9)
            if browser.run('document.activeElement.matches(%s)' % json.dumps(selector)):
                return
        check(False, 'it is not reached: %s' % selector)

    def press():
        browser.waiting.clear()
        browser.key('Enter', 13, '\r')
        browser.loaded()

    with Workspace() as work:
        lab = Lab(work)
        with Browser(work) as browser:
            enter(browser, lab)
            browser.scripts(False)
            browser.open(at(lab, '/page/health'))
            reach('button[value=doctor]')
            press()
            check('looked at, step by step' in browser.run('document.body.textContent'), 'begun')
            eventually(lambda: 'Look again' in lab.ask('/page/health')[2] if lab.cookie else lab.enter(), 'it has', 180)
            browser.open(at(lab, '/page/health'))
            check('Connection refused' in browser.run('document.body.textContent'), 'what it found')
            # The bundle is a file that the browser keeps.
            os.makedirs(work.path('kept'))
            browser.ask('Page.setDownloadBehavior', behavior='allow', downloadPath=work.path('kept'))
            reach('form[action="/page/bundle"] button')
            browser.key('Enter', 13, '\r')
            eventually(lambda: [name for name in os.listdir(work.path('kept')) if re.fullmatch(
                r'postrider-\d{8}T\d{6}Z\.tar\.gz', name)], 'the bundle', 180)
            browser.open(at(lab, '/page/devices'))
            reach('.add input[name=name]')
            browser.ask('Input.insertText', text='Copier <b>3rd</b> floor')
            browser.key('Tab', 9)
            browser.ask('Input.insertText', text='10.20.3.14')
            press()
            check('Copier <b>3rd</b> floor' in browser.run('document.querySelector(".sheet h2").textContent'), 'name')
            check('SMTP server' in browser.run('document.querySelector(".sheet pre").textContent'), 'its words')
            box = browser.run('(r => [r.width, r.height])(document.querySelector("svg.qr").getBoundingClientRect())')
            check(box[0] > 150 and abs(box[0] - box[1]) < 1, 'the code is %s' % box)
            paper = base64.b64decode(browser.ask('Page.printToPDF')['data'])
            equal(len(re.findall(rb'/Type */Page\b(?!s)', paper)), 1, 'sheets of paper')
            browser.media('print')
            equal(browser.run('[...document.querySelectorAll("nav, form, .add, .who")].some(e => e.offsetParent)'),
                  False, 'what nobody wants on paper')
            quiet(browser, lab, 'health and sheets')


@case
def by_hand():
    """Without JavaScript: all is there, and forms act. With it: by the keyboard alone."""
    with Workspace() as work:
        lab = Lab(work)
        one, other = queue_one(lab), queue_one(lab)
        with Browser(work) as browser:
            browser.scripts(False)
            enter(browser, lab)
            browser.scripts(True)
            browser.open(at(lab, '/page/mail'))
            browser.scripts(False)
            browser.open(at(lab, '/page/mail'))
            browser.scripts(True)  # for the test's own hands; the page's script is not loaded any more
            equal(browser.run('document.getElementById("all").hidden'), True, 'the box that wants a script')
            browser.run('document.querySelector("input[value=\\"%s\\"]").checked = true' % one)
            browser.act('document.querySelector("button[value=hold]").click()')
            check('done' in browser.run('document.body.textContent'), 'held')
            browser.open(at(lab, '/page/mail/' + one))
            check(browser.run('document.querySelector("dd .state").textContent') == 'held', 'it is held')
            browser.act('document.querySelector("button[value=delete]").click()')
            check('cannot be undone' in browser.run('document.body.textContent'), 'asked whether')
            browser.act('document.querySelector("form[action=\\"/page/act\\"] button").click()')
            browser.open(at(lab, '/page/mail'))
            equal(browser.run('[...document.querySelectorAll("tbody .id")].map(a => a.textContent)'), [other], 'left')
            # From the first key to the second view, and there to its content.
            browser.open(at(lab, '/page'))
            browser.key('Tab', 9)
            equal(browser.run('document.activeElement.className'), 'skip', 'the first stop')
            for _ in range(2):
                browser.key('Tab', 9)
            equal(browser.run('document.activeElement.textContent'), 'Mail', 'the third')
            browser.waiting.clear()
            browser.key('Enter', 13, '\r')
            browser.loaded()
            equal(browser.run('location.pathname'), '/page/mail', 'where Enter leads')
            check(browser.run('[...document.querySelectorAll("input:not([type=hidden]), select")].every(e => '
                              'e.labels.length || e.ariaLabel)'), 'every field has a name')
            check(browser.run('[...document.querySelectorAll("a, button")].every(e => e.textContent.trim())'),
                  'every link has words')
            quiet(browser, lab, 'by hand')


@case
def dark_and_printed():
    """Colours follow the reader's; words can be read on both; paper has no forms."""
    luminance = '''(() => {
        const of = (text) => { const c = text.match(/[0-9.]+/g).slice(0, 3).map(Number).map(v => (v /= 255) <= 0.03928 ?
            v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
        const ground = of(getComputedStyle(document.body).backgroundColor);
        return [...document.querySelectorAll("h1, p, a, .state, th, td, span, label, dt")].filter(e => e.offsetParent)
            .map(e => { const l = of(getComputedStyle(e).color);
                return (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05); }).reduce((a, b) => Math.min(a, b));
    })()'''
    with Workspace() as work:
        lab = Lab(work)
        queue_one(lab)
        with Browser(work) as browser:
            enter(browser, lab)
            grounds = set()
            for scheme in ('light', 'dark'):
                browser.media(prefers_color_scheme=scheme)
                for path in VIEWS:
                    browser.open(at(lab, path))
                    contrast = browser.run(luminance)
                    check(contrast >= 4.5, '%s, %s: a contrast of %.1f' % (path, scheme, contrast))
                grounds.add(browser.run('getComputedStyle(document.body).backgroundColor'))
            equal(len(grounds), 2, 'grounds')
            browser.open(at(lab, '/page/mail'))
            browser.media('print')
            equal(browser.run('[...document.querySelectorAll("form.search, nav, .acts")].some(e => e.offsetParent)'),
                  False, 'forms on paper')
            check(browser.run('!!document.querySelector("tbody .id").offsetParent'), 'mail on paper')
            quiet(browser, lab, 'printed')


@case
def hostile():
    """Addresses, subjects, replies, devices and what is typed: all of it is shown as it is, and nothing runs."""
    words = ' '.join(HOSTILE[:4])

    def script(stage, session, argument):
        return '550 5.7.1 %s' % words if stage == 'RCPT' else None
    with Workspace() as work:
        work.write('devices.yaml', json.dumps([
            {'name': 'Copier %s' % HOSTILE[0], 'address': '127.0.0.1', 'place': HOSTILE[1]},
            {'name': 'x%s' % HOSTILE[2][:40], 'address': '10.0.0.1', 'place': HOSTILE[3]}]))
        hop = work.own(NextHop(script=script))
        lab = Lab(work, hosts=['127.0.0.1:%d' % hop.port], trace={'detail': 'all'}, devices='devices.yaml')
        huge = 'Subject: ' + '\r\n '.join(['<script>alert(5)</script>' * 30] * 1300) + '\r\n'
        header = ''.join('X-%d: %s\r\n' % (i, text) for i, text in enumerate(HOSTILE[:7]))
        header += 'Subject: %s\r\n' % words
        lab.enter()
        lab.suspend()
        ids = [queue_one(lab, sender='"%s"@example.com' % text, recipient='"%s"@example.org' % text, header=header)
               for text in ('<script>alert(6)</script>', '<img/src=x/onerror=alert(7)>', '\'onfocus=alert(8)/x=\'')]
        ids.append(queue_one(lab, header=huge + header))
        with Browser(work) as browser:
            enter(browser, lab)

            def look(path):
                browser.open(at(lab, path))
                browser.run('new Promise(done => setTimeout(done, 0))')
                # What is asked for is not there, or has no meaning: that is said.
                equal([text for text in browser.complaints if ' status of 40' not in text], [], path)
                equal(browser.run('document.querySelectorAll("img, svg:not(.qr), iframe, script:not([src]), [onerror], '
                                  '[onfocus], [onload], style").length'), 0, path)
                check('\u202e' not in browser.run('document.documentElement.textContent'), path)
            typed = ['/page/mail?' + urllib.parse.urlencode(dict.fromkeys(keys, text.strip('\0')))
                     for text in HOSTILE for keys in (FIELDS, ('id',))]
            for path in (*VIEWS, *('/page/mail/' + one for one in ids), *typed,
                         '/page/devices?' + urllib.parse.urlencode({'match': HOSTILE[1]}),
                         '/page/destination/' + urllib.parse.quote(HOSTILE[1], safe=''),
                         '/page/mail/' + urllib.parse.quote(HOSTILE[2], safe='')):
                look(path)
            # Refused by the next hop in these words.
            lab.resume()
            eventually(lambda: html.escape(HOSTILE[0]) in lab.ask('/page/mail/' + ids[0])[2].partition('550 ')[2],
                       'the reply is in the trace')
            for path in ('/page', '/page/mail', *('/page/mail/' + one for one in ids), '/page/mail?list=trace'):
                look(path)
            browser.open(at(lab, '/page/mail/' + ids[0]))
            text = browser.run('document.body.textContent')
            check('<script>alert(1)</script>' in text, 'the reply is shown as it is')
            check('<img src=x onerror=alert(2)>' in text, 'all of it')
            # A reason that is typed, and comes back.
            token = token_of(lab.ask('/page/destination/next-hop')[2])
            check('Done.' in lab.form('/page/act', token=token, do='suspend', destination='next-hop',
                                      reason=HOSTILE[0], **{'for': '0'})[1], 'suspended')
            look('/page/destination/next-hop')
            look('/page/providers')


if __name__ == '__main__':
    harness.main()
