"""tests/e2e/exposition.py - metrics as a scraper reads them, held to the form that their type says."""

import re

from control_socket import Connection
from harness import check, equal

OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8'
PLAIN = 'text/plain; version=0.0.4; charset=utf-8'
NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(r'(%s)(?:\{((?:%s)(?:,%s)*)\})? (-?[0-9]+(?:\.[0-9]+)?)$' % (NAME, LABEL, LABEL))
SUFFIXES = {'counter': ('_total',), 'gauge': ('',), 'info': ('_info',), 'histogram': ('_bucket', '_sum', '_count'),
            'gaugehistogram': ('_bucket', '_gsum', '_gcount'), 'untyped': ('_bucket', '_gsum', '_gcount')}


def fetched(path, target='/metrics', accept=OPEN):
    """(status, type, text) of one request."""
    connection = Connection(path)
    try:
        connection.request('GET', target, headers={'Accept': accept} if accept else {})
        response = connection.getresponse()
        return response.status, response.getheader('Content-Type'), response.read().decode()
    finally:
        connection.close()


def unescaped(value):
    return re.sub(r'\\(.)', lambda found: {'n': '\n'}.get(found.group(1), found.group(1)), value)


def hold_histogram(family, samples):
    """Buckets of one set of labels only grow, and the last of them is the count."""
    series = {}
    for name, labels, value in samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != 'le'))
        series.setdefault(key, []).append((name, labels.get('le'), value))
    for rows in series.values():
        buckets = [(float(le), value) for name, le, value in rows if name == family + '_bucket']
        check(buckets == sorted(buckets) and buckets[-1][0] == float('inf'), '%s: %s', family, buckets)
        check([v for _, v in buckets] == sorted(v for _, v in buckets), '%s: %s', family, buckets)
        equal([v for name, _, v in rows if name.endswith('count')], [buckets[-1][1]], family)
        check(all('.' in le or le == '+Inf' for name, le, _ in rows if le), '%s: le is a float', family)


def families(text, open_metrics=True):
    """{family: (type, unit, [(name, {label: value}, number)])}; fails where the text has another form."""
    lines = text.split('\n')
    equal(lines.pop(), '', 'the last line ends')
    if open_metrics:
        equal(lines.pop(), '# EOF', 'the end')
    check('# EOF' not in lines, 'it ends once')
    found, seen, at = {}, set(), None
    for line in lines:
        about = re.fullmatch(r'# (HELP|TYPE|UNIT) (%s) (.*)' % NAME, line)
        if about and about.group(1) == 'HELP':
            at = about.group(2)
            check(at not in found, '%s comes twice', at)
            found[at] = [None, '', []]
        elif about:
            equal(about.group(2), at, line)
            found[at][0 if about.group(1) == 'TYPE' else 1] = about.group(3)
            check(about.group(1) == 'TYPE' or at.endswith('_' + about.group(3)), 'the unit of %s', at)
        else:
            sample = SAMPLE.fullmatch(line)
            check(sample, 'no sample: %r', line)
            labels = {k: unescaped(v) for k, v in re.findall(LABEL, sample.group(2) or '')}
            name = sample.group(1)
            key = name + (sample.group(2) or '')
            check(key not in seen, 'twice: %s', key)
            seen.add(key)
            suffixes = SUFFIXES[found[at][0]] if open_metrics or found[at][0] in ('histogram', 'untyped') else ('',)
            check(name in [at + suffix for suffix in suffixes], '%s stands in %s', name, at)
            found[at][2].append((name, labels, float(sample.group(SAMPLE.groups))))
    for family, (kind, _, samples) in found.items():
        if kind in ('histogram', 'gaugehistogram', 'untyped'):
            hold_histogram(family, samples)
        if kind in ('counter', 'histogram'):
            check(all(value >= 0 for _, _, value in samples), '%s is negative', family)
    return {name: tuple(row) for name, row in found.items()}


class Scrape:
    """All samples of one text."""

    def __init__(self, path, accept=OPEN):
        status, kind, text = fetched(path, accept=accept)
        equal((status, kind), (200, OPEN if accept == OPEN else PLAIN), 'the answer')
        self.text = text
        self.families = families(text, accept == OPEN)
        self.samples = [sample for _, _, samples in self.families.values() for sample in samples]

    def values(self, name, **labels):
        return [value for sample, its, value in self.samples
                if sample == name and all(its.get(key) == wanted for key, wanted in labels.items())]

    def total(self, name, **labels):
        values = self.values(name, **labels)
        check(values, 'there is no %s %s', name, labels)
        return sum(values)

    def counters(self):
        """What may only grow: {sample with labels: value}."""
        return {(name, tuple(sorted(labels.items()))): value
                for kind, _, samples in self.families.values() if kind in ('counter', 'histogram')
                for name, labels, value in samples}
